// Threads of WebAssembly need two headers, which simple servers do not send: a service worker of the page adds them.

/** Registers the service worker and reloads the page once, where the server sent no such headers. */
export async function isolate() {
    if (self.crossOriginIsolated || !self.isSecureContext || !navigator.serviceWorker) return;
    if (sessionStorage.getItem("isolated")) return; // it did not help
    try {
        await navigator.serviceWorker.register(new URL("../headers.js", import.meta.url));
        await navigator.serviceWorker.ready;
        sessionStorage.setItem("isolated", "tried");
        location.reload();
        await new Promise(() => {}); // nothing begins before the reload
    } catch {
        // one thread does
    }
}
