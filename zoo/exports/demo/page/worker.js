// Does all the work of a page: reads pictures, loads the runtime with the first of them, checks the model, computes.
//
// A job comes as {id, info, pictures: [ImageBitmap], method, options}. Answers carry its id and a kind: "state" (text),
// "loading" (done and total bytes), "checked" (difference), "progress" (done, total), "part" (pixels of a result that
// comes by parts), and at last "result" or "error" (text).

import { Net, check } from "./compute/net.js";

const KINDS = {
    segment: async () => (await import("./compute/segment.js")),
    enlarge: async () => (await import("./compute/enlarge.js")),
    style: async () => (await import("./compute/style.js")),
    homography: async () => (await import("./compute/homography.js")),
    features: async () => (await import("./compute/features.js")),
};
const CLASSES = { segment: "Segmenter", enlarge: "Upscaler", style: "Stylizer", homography: "Aligner", features: "Matcher" };

let loaded = null; // the task, once its network was checked

self.onmessage = async ({ data: { id, info, pictures, method = "run", options = {} } }) => {
    const tell = (kind, more = {}) => self.postMessage({ id, kind, ...more }, more.pixels ? [more.pixels.buffer] : []);
    try {
        loaded ??= load(info, tell);
        const task = await loaded.catch(error => {
            loaded = null;
            throw error;
        });
        const given = pictures.map(bitmap => pixelsOf(bitmap, task.transparent));
        const found = method === "stitch" ? task.stitch(given, options.matrix) : await task.run(given, options, tell);
        const sent = [found.mask, found.pixels].filter(Boolean).map(each => each.buffer);
        self.postMessage({ id, kind: "result", result: found }, sent);
    } catch (error) {
        tell("error", { text: wordsOf(error) });
    }
};

/** Loads the runtime and the model, and replays the published answer; throws where it comes out otherwise. */
async function load(info, tell) {
    const module = await KINDS[info.kind]();
    const net = await Net.load(info, tell);
    const task = new module[CLASSES[info.kind]](net, info.facts);
    tell("state", { text: "Checking the model against its published answer" });
    tell("checked", { difference: await check(task, net, info) });
    return task;
}

/** RGBA pixels of a bitmap, on white unless they may be `transparent`. Colours that nobody sees are lost. */
function pixelsOf(bitmap, transparent) {
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white";
    if (!transparent) context.fillRect(0, 0, bitmap.width, bitmap.height);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const { data, width, height } = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
    return { data, width, height };
}

/** One sentence about an error; ONNX Runtime throws numbers where memory runs out. */
function wordsOf(error) {
    const text = String(error?.message ?? error);
    if (typeof error === "number" || /memory|allocat|out of bounds|Array buffer/i.test(text))
        return "Memory ran out. Use a smaller picture, or zoo predict on a computer.";
    return text;
}
