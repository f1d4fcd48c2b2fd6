// A service worker that passes everything on, with the headers that threads of WebAssembly need.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", event => {
    if (new URL(event.request.url).origin !== self.location.origin) return;
    event.respondWith(answer(event.request));
});

async function answer(request) {
    const found = await fetch(request), headers = new Headers(found.headers);
    if (found.type !== "basic") return found; // another site's, or a redirect
    headers.set("Cross-Origin-Opener-Policy", "same-origin");
    headers.set("Cross-Origin-Embedder-Policy", "require-corp");
    return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
