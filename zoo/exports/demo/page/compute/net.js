// The network of a page: ONNX Runtime in WebAssembly, and the check against the published answer.

const RUNTIME = new URL("../../runtime/", import.meta.url);
const PACKED = "ort-wasm-simd-threaded.wasm.gz"; // a quarter of the bytes, on servers that compress nothing too
const MOST_THREADS = 4; // more gain little for networks of this size
// A function that returns a vector of 128 bits: browsers without such instructions refuse it.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

export class Net {
    constructor(ort, session, predicts) {
        Object.assign(this, { ort, session, predicts });
    }

    /** Loads runtime and model; tells the bytes of both as they come. */
    static async load({ model, predicts }, tell) {
        if (typeof WebAssembly !== "object" || !WebAssembly.validate(Uint8Array.from(SIMD)))
            throw new Error("This browser lacks WebAssembly with SIMD. Update it, or use another browser.");
        if (typeof DecompressionStream !== "function")
            throw new Error("This browser lacks DecompressionStream. Update it, or use another browser.");
        tell("state", { text: "Loading the runtime" });
        const ort = await import(new URL("ort.wasm.min.mjs", RUNTIME)).catch(() => {
            throw new Error("The runtime could not be loaded: no connection to the server of this page.");
        });
        ort.env.wasm.wasmPaths = RUNTIME.href;
        ort.env.wasm.wasmBinary = await unpacked(await fetched(new URL(PACKED, RUNTIME).href, tell, "the runtime"));
        ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
        const content = await fetched(model, tell, "the model");
        tell("state", { text: "Starting the model" });
        const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
        return new Net(ort, session, predicts);
    }

    /** The outputs for a batch of pictures, by name.
     *
     * `names` are the outputs to compute, by default those that prediction uses; `beside` holds further inputs, each
     * {data, shape}. Gives {name: {data, dims}}. */
    run(x, shape, names = this.predicts, beside = {}) {
        const feeds = { input: new this.ort.Tensor("float32", x, shape) };
        for (const [name, each] of Object.entries(beside)) feeds[name] = new this.ort.Tensor("float32", each.data, each.shape);
        return this.session.run(feeds, names);
    }
}

/** Replays the golden input; gives the RMS of the difference from the published answer, relative to that answer.
 *
 * Throws where it is larger than the model allows. */
export async function check(task, net, { golden }) {
    const content = await fetched(golden.file, () => {});
    const pixels = new Uint8Array(content, 0, golden.shape.reduce((a, b) => a * b));
    const want = new Float32Array(content, golden.offset, golden.count);
    const have = task.answer(await net.run(Float32Array.from(pixels, value => value / 255), golden.shape, undefined, task.beside));
    let off = 0, all = 0;
    for (let i = 0; i < want.length; i++) {
        off += (have[i] - want[i]) ** 2;
        all += want[i] ** 2;
    }
    const difference = have.length === want.length ? Math.sqrt(off / all) : NaN;
    if (!(difference <= golden.tolerance))
        throw new Error(
            `Refused: the answer to the published input differs by ${(100 * difference).toPrecision(2)} %, more than ` +
            `${100 * golden.tolerance} %. This browser computes something else, or a file is damaged.`);
    return difference;
}

/** The content of a gzip file; other bytes as they are: some servers have files of this kind decompressed on the way. */
async function unpacked(content) {
    const [first, second] = new Uint8Array(content, 0, 2);
    if (first !== 0x1f || second !== 0x8b) return content;
    const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer().catch(() => {
        throw new Error("The runtime could not be loaded: its file is damaged.");
    });
}

/** The bytes at an address, told as they come. */
async function fetched(address, tell, what = "") {
    const name = address.split("/").at(-1);
    const answer = await fetch(address).catch(() => {
        throw new Error(`${name} could not be loaded: no connection to the server of this page.`);
    });
    if (!answer.ok) throw new Error(`${name} could not be loaded: the server answered ${answer.status}.`);
    const total = Number(answer.headers.get("Content-Length")) || 0, parts = [];
    let done = 0;
    for (const reader = answer.body.getReader(); ;) {
        const { done: ended, value } = await reader.read();
        if (ended) break;
        parts.push(value);
        tell("loading", { what, done: (done += value.length), total: Math.max(total, done) });
    }
    return new Blob(parts).arrayBuffer();
}
