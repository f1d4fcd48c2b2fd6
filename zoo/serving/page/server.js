// Talks to the server: begins a job, sends its files, and hears how it goes.

const JOBS = new URL("../api/jobs", document.baseURI).href;

export const place = (id, ...parts) => [JOBS, id, ...parts].map((part, i) => (i ? encodeURIComponent(part) : part)).join("/");

/** Sends a request; an error in one sentence where the server refuses it or is away. */
async function send(address, method, body, headers = {}) {
    const answer = await fetch(address, { method, body, headers }).catch(() => {
        throw new Error("The server does not answer. Does it still run?");
    });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error ?? `The server refused this (${answer.status}).`);
}

/** Begins a job and sends its files; `told` takes the fraction of the bytes that are sent. Gives the job's id. */
export async function begin(model, options, files, told, signal) {
    const names = Object.fromEntries(Object.entries(files).map(([slot, file]) => [slot, file.name]));
    const body = JSON.stringify({ model, options, files: names });
    const { id } = await (await send(JOBS, "POST", body, { "Content-Type": "application/json" })).json();
    const total = Object.values(files).reduce((sum, file) => sum + file.size, 0);
    let before = 0;
    try {
        for (const [slot, file] of Object.entries(files)) {
            await upload(place(id, "files", slot), file, sent => told((before + sent) / total), signal);
            before += file.size;
        }
    } catch (error) {
        await stop(id).catch(() => {});
        throw error;
    }
    return id;
}

/** Sends a file; only XMLHttpRequest says how much of it is sent. */
function upload(address, file, told, signal) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("PUT", address);
        request.responseType = "json";
        request.upload.onprogress = event => told(event.loaded);
        request.onload = () => (request.status < 300 ? resolve() : reject(new Error(request.response?.error ?? `The server refused ${file.name} (${request.status}).`)));
        request.onerror = () => reject(new Error(`${file.name} could not be sent: the connection to the server ended.`));
        request.onabort = () => reject(new DOMException("stopped", "AbortError"));
        signal.addEventListener("abort", () => request.abort());
        request.send(file);
    });
}

/** Ends a job and deletes all of it. */
export const stop = id => send(place(id), "DELETE");

/** Hears the states of a job until it is over. Gives what ends hearing.
 *
 * `lost` is called where the server no longer knows the job, `away` where it does not answer for now. */
export function hear(id, heard, lost, away) {
    const source = new EventSource(place(id, "events"));
    source.onmessage = event => {
        const state = JSON.parse(event.data);
        if (["done", "failed", "stopped"].includes(state.state)) source.close();
        heard(state);
    };
    source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) lost();
        else away(); // it connects again by itself
    };
    return () => source.close();
}
