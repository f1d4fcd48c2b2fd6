// Talks to the worker by messages. Stopping ends the worker at once; the next job starts another.

export class Stopped extends Error {}

export class Work {
    #worker = null;
    #job = null;
    #count = 0;

    /** `info` is what the worker needs of the model; `hear` takes what it tells before a job's result. */
    constructor(info, hear) {
        Object.assign(this, { info, hear });
    }

    get busy() {
        return this.#job !== null;
    }

    /** Does a job and gives its result; a job that is still running is stopped first.
     *
     * Throws an error in one sentence, or Stopped. */
    async ask(bitmaps, options = {}, method = "run") {
        this.stop();
        const id = ++this.#count;
        const pictures = await Promise.all(bitmaps.map(bitmap => createImageBitmap(bitmap)));
        if (id !== this.#count) throw new Stopped();
        return new Promise((resolve, reject) => {
            this.#job = { id, resolve, reject };
            this.#worker ??= this.#started();
            this.#worker.postMessage({ id, info: this.info, pictures, method, options }, pictures);
        });
    }

    /** Ends the worker if it works; what was asked ends with Stopped. */
    stop() {
        this.#count++;
        if (!this.#job) return;
        this.#worker.terminate();
        this.#worker = null;
        this.#end().reject(new Stopped());
    }

    #started() {
        const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
        worker.onmessage = ({ data }) => {
            if (data.id !== this.#job?.id) return;
            if (data.kind === "result") this.#end().resolve(data.result);
            else if (data.kind === "error") this.#end().reject(new Error(data.text));
            else this.hear(data);
        };
        worker.onerror = event => {
            event.preventDefault();
            worker.terminate();
            this.#worker = null;
            if (this.#job) this.#end().reject(new Error(event.message || "The worker could not be loaded: no connection to the server of this page."));
        };
        return worker;
    }

    #end() {
        const job = this.#job;
        this.#job = null;
        return job;
    }
}
