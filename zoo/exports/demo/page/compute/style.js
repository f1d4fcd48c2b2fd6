// From a picture to the picture in a style: zoo/models/fast_style/predict.py in the browser.

import { grained } from "./grain.js";
import { planes, toPixels, whiteWhereUnseen } from "./pixels.js";
import { reducedTo, resized } from "./resample.js";

export const LARGEST = 25e6; // pixels of a picture
const MOST_ENLARGED = 2; // factor by which a small picture is enlarged to be painted
const LUMA = [0.299, 0.587, 0.114];

export class Stylizer {
    constructor(net, facts) {
        Object.assign(this, { net, styles: facts.styles, grain: facts.grain ?? 0, painted: null });
    }

    answer = outputs => outputs.picture.data;
    transparent = true; // its pictures may be

    /** What the network takes beside the golden picture, whose published answer is in the first style. */
    get beside() {
        return { style: { data: Float32Array.from(this.styles, (_, i) => Number(i === 0)), shape: [1, this.styles.length] } };
    }

    /** Gives {pixels, width, height}, opaque RGBA of the picture's size: the view keeps what is transparent.
     *
     * Options: `weights`, one a style, on any scale; `side`, the longer side in pixels at which the picture is painted;
     * `colors`, whether the picture keeps its own; `key`, which names the picture. The last painting is kept, so that
     * another choice of colours takes no pass of the network. */
    async run([given], { weights, side, colors, key }, tell) {
        tell("progress", { done: 0, total: 1 });
        const picture = whiteWhereUnseen(given);
        const name = JSON.stringify([key, weights, side]), { width, height } = picture;
        if (this.painted?.name !== name) this.painted = { name, picture: await this.#paint(picture, weights, side) };
        const { picture: own } = this.painted;
        const pixels = colors ? inOwnColors(own.data, picture.data) : own.data.slice();
        tell("progress", { done: 1, total: 1 });
        return { pixels, width, height };
    }

    async #paint(picture, weights, side) {
        const { width, height } = picture, factor = Math.min(side / Math.max(width, height), MOST_ENLARGED);
        const [columns, rows] = [width, height].map(each => Math.max(1, evenRound(factor * each)));
        const worked = grained(factor === 1 ? picture : reducedTo(picture, columns, rows, "bicubic"), this.grain);
        const sum = weights.reduce((total, weight) => total + weight, 0), n = worked.width * worked.height;
        const x = planes(worked, 0, 0, worked.width, worked.height);
        const style = { data: Float32Array.from(weights, weight => weight / sum), shape: [1, weights.length] };
        const y = (await this.net.run(x, [1, 3, worked.height, worked.width], ["picture"], { style })).picture.data;
        return resized({ ...worked, data: toPixels(y, n) }, width, height, "lanczos");
    }
}

/** The picture's colours with the luminance of the result: I and Q stay where R, G and B change alike. */
function inOwnColors(result, content) {
    const pixels = new Uint8ClampedArray(result.length).fill(255);
    for (let i = 0; i < result.length; i += 4) {
        let change = 0;
        for (let c = 0; c < 3; c++) change += LUMA[c] * (result[i + c] - content[i + c]);
        for (let c = 0; c < 3; c++) pixels[i + c] = content[i + c] + change;
    }
    return pixels;
}

/** Rounds half to even, as Python does. */
function evenRound(x) {
    const low = Math.floor(x);
    return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}
