// From a picture to the class of each pixel, by tiles: zoo/models/linknet/predict.py in the browser.

import { planes } from "./pixels.js";
import { tiles } from "./tiles.js";

export const LARGEST = 25e6; // pixels of a picture
const TILE = 1024, OVERLAP = 256;

export class Segmenter {
    constructor(net, facts) {
        Object.assign(this, { net, classes: facts.labels.length, stride: facts.stride ?? 32 });
    }

    /** What is compared with the published answer. */
    answer = outputs => outputs.logits.data;

    /** Gives {mask, counts, width, height}: a byte a pixel, and how many pixels each class has. */
    async run([picture], _options, tell) {
        const { width, height } = picture, mask = new Uint8Array(width * height);
        const parts = tiles(width, height, TILE, OVERLAP / 2, this.stride);
        for (const [done, { seen, kept }] of parts.entries()) {
            tell("progress", { done, total: parts.length });
            const columns = seen.right - seen.left, rows = seen.bottom - seen.top;
            const x = planes(picture, seen.left, seen.top, columns, rows);
            const found = (await this.net.run(x, [1, 3, rows, columns], ["mask"])).mask.data;
            for (let y = kept.top; y < kept.bottom; y++) {
                const from = (y - seen.top) * columns + kept.left - seen.left;
                mask.set(found.subarray(from, from + kept.right - kept.left), y * width + kept.left);
            }
        }
        const counts = new Array(this.classes).fill(0);
        for (const id of mask) counts[id]++;
        return { mask, counts, width, height };
    }
}
