// Two pictures in one, in the frame of the second: zoo/pictures/mosaic.py in the browser.

import { IDENTITY, corners, inverse, moved, times, translation } from "./geometry.js";

const MOST = 40e6; // pixels of a mosaic

/** Gives {pixels, width, height}, RGBA, transparent where neither picture reaches; throws where it would be too large. */
export function stitched(pictures, matrix) {
    const maps = [matrix, IDENTITY], { left, top, width, height } = canvas(pictures, maps);
    const layers = pictures.map((picture, i) => {
        const back = inverse(times(translation(-left, -top), maps[i]));
        return { ...picture, back, tents: [tent(picture.width), tent(picture.height)] };
    });
    const pixels = new Uint8ClampedArray(4 * width * height), mixed = [0, 0, 0];
    for (let v = 0, i = 0; v < height; v++)
        for (let u = 0; u < width; u++, i += 4) {
            let total = 0;
            mixed.fill(0);
            for (const layer of layers) total += add(layer, u, v, mixed);
            if (!total) continue;
            for (let c = 0; c < 3; c++) pixels[i + c] = mixed[c] / total;
            pixels[i + 3] = 255;
        }
    return { pixels, width, height };
}

/** Adds a picture's colour at a pixel of the mosaic, times its weight, which is returned. */
function add({ data, width, height, back, tents }, u, v, mixed) {
    const w = back[6] * u + back[7] * v + back[8];
    const x = (back[0] * u + back[1] * v + back[2]) / w, y = (back[3] * u + back[4] * v + back[5]) / w;
    if (!(x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1)) return 0;
    const column = Math.floor(x), row = Math.floor(y), p = x - column, q = y - row;
    const right = column + 1 < width ? 4 : 0, below = row + 1 < height ? 4 * width : 0, at = 4 * (row * width + column);
    const weight = Math.min(tents[0][Math.round(x)], tents[1][Math.round(y)]);
    for (let c = 0; c < 3; c++) {
        const upper = (1 - p) * data[at + c] + p * data[at + right + c];
        const lower = (1 - p) * data[at + below + c] + p * data[at + below + right + c];
        mixed[c] += weight * ((1 - q) * upper + q * lower);
    }
    return weight;
}

/** Weights along a side: 1 in the middle, falling towards the edges. */
const tent = n => Float32Array.from({ length: n }, (_, i) => Math.min(i + 1, n - i) / (n / 2 + 0.5));

/** The smallest frame that holds both pictures, in whole pixels of the second. */
function canvas(pictures, maps) {
    const places = pictures.flatMap(({ width, height }, i) => corners(width, height).map(place => {
        if (!(maps[i][6] * place[0] + maps[i][7] * place[1] + 1 > 1e-9))
            throw new Error("The mosaic would be endless: the matrix takes a part of the first picture to infinity.");
        return moved(maps[i], place);
    }));
    const [xs, ys] = [0, 1].map(axis => places.map(place => place[axis]));
    const [left, top] = [xs, ys].map(each => Math.floor(Math.min(...each)));
    const width = Math.ceil(Math.max(...xs)) - left + 1, height = Math.ceil(Math.max(...ys)) - top + 1;
    if (!(width * height <= MOST))
        throw new Error(`The mosaic would have ${width}x${height} pixels, more than ${MOST / 1e6} megapixels.`);
    return { left, top, width, height };
}
