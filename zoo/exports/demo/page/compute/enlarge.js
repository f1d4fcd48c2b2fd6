// From a picture to one several times as large, tile by tile: zoo/models/perceptual_sr/predict.py in the browser.

import { discolor, isGrey, isTransparent, planes, toPixels } from "./pixels.js";
import { resized } from "./resample.js";
import { spread } from "./spread.js";
import { tiles } from "./tiles.js";

export const LARGEST = 50e6; // pixels of a result
const TILE = 192; // a tile takes about a second, so that progress is seen
const BEYOND = 2; // pixels around a tile, as zoo predict has them: tiles then are the same where they agree

export class Upscaler {
    constructor(net, facts) {
        Object.assign(this, { net, scale: facts.scale, halo: facts.reach + BEYOND });
    }

    answer = outputs => outputs.picture.data;
    transparent = true; // its pictures may be

    /** Tells parts of the result as they are done, after the whole by bicubic interpolation; gives {width, height}. */
    async run([given], _options, tell) {
        const picture = isTransparent(given) ? spread(given) : given;
        const { scale, halo } = this, { width, height } = picture, grey = isGrey(picture);
        const parts = tiles(width, height, Math.max(TILE, 4 * halo), halo);
        tell("progress", { done: 0, total: parts.length });
        const plain = resized(picture, scale * width, scale * height, "bicubic");
        const clear = picture === given ? null : plain.data.filter((_, i) => i % 4 === 3);
        tell("part", { layer: "before", left: 0, top: 0, width: scale * width, pixels: plain.data });
        for (const [done, { seen, kept }] of parts.entries()) {
            const columns = seen.right - seen.left, rows = seen.bottom - seen.top;
            const x = planes(picture, seen.left, seen.top, columns, rows);
            const y = (await this.net.run(x, [1, 3, rows, columns], ["picture"])).picture.data;
            const pixels = inner(toPixels(y, scale * scale * rows * columns), scale, seen, kept);
            if (grey) discolor(pixels);
            const place = { left: scale * kept.left, top: scale * kept.top, width: scale * (kept.right - kept.left) };
            if (clear) for (let i = 3; i < pixels.length; i += 4) {
                const at = (i - 3) / 4, row = place.top + Math.floor(at / place.width);
                pixels[i] = clear[row * scale * width + place.left + (at % place.width)];
            }
            tell("part", { layer: "after", ...place, pixels });
            tell("progress", { done: done + 1, total: parts.length });
        }
        return { width: scale * width, height: scale * height };
    }
}

/** The kept part of an enlarged tile, RGBA. */
function inner(pixels, scale, seen, kept) {
    const across = scale * (seen.right - seen.left), left = scale * (kept.left - seen.left);
    const columns = scale * (kept.right - kept.left), first = scale * (kept.top - seen.top);
    const rows = scale * (kept.bottom - kept.top), made = new Uint8ClampedArray(4 * columns * rows);
    for (let row = 0; row < rows; row++) {
        const from = 4 * ((first + row) * across + left);
        made.set(pixels.subarray(from, from + 4 * columns), 4 * columns * row);
    }
    return made;
}
