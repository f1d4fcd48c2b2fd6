// Grey pictures at other sizes and turns, as OpenCV makes them.

import { IDENTITY, resizing } from "./geometry.js";
import { cubic } from "./resample.js";

const LEAST = 384; // pixels of the longer side to which smaller pictures are enlarged

/** A picture at a longer side of 384 pixels to `most`, and the matrix to its pixels: [picture, matrix]. */
export function atSide(picture, most) {
    const longer = Math.max(picture.width, picture.height);
    return atScale(picture, Math.min(most, Math.max(longer, LEAST)) / longer);
}

/** A picture times a factor, and the matrix to its pixels. */
export function atScale(picture, scale) {
    if (scale === 1) return [picture, IDENTITY];
    const [width, height] = [picture.width, picture.height].map(side => Math.max(1, Math.round(side * scale)));
    const table = scale < 1 ? areas : cubics;
    const made = along(along(picture, width, table), height, table);
    const small = { data: Uint8Array.from(made.data, value => Math.min(Math.max(Math.round(value), 0), 255)), width, height };
    return [small, resizing(picture, small)];
}

/** Resizes the rows and exchanges width and height, so that doing it twice resizes both. */
function along({ data, width, height }, size, table) {
    const made = new Float32Array(size * height);
    for (let place = 0; place < size; place++)
        for (const [from, weight] of table(place, width, size))
            for (let row = 0; row < height; row++) made[place * height + row] += weight * data[row * width + from];
    return { data: made, width: height, height: size };
}

/** Old places and their weights for a smaller size: the parts that the new pixel covers. */
function areas(place, old, size) {
    const step = old / size, start = place * step, end = Math.min(start + step, old), found = [];
    for (let from = Math.floor(start); from < end - 1e-9; from++)
        found.push([from, (Math.min(end, from + 1) - Math.max(start, from)) / (end - start)]);
    return found;
}

/** Old places and their weights for a larger size, by cubic convolution with a = -0.75; the edge is repeated. */
function cubics(place, old, size) {
    const at = ((place + 0.5) * old) / size - 0.5, before = Math.floor(at);
    return [-1, 0, 1, 2].map(i => [Math.min(Math.max(before + i, 0), old - 1), cubic(Math.abs(at - before - i), -0.75)]);
}

/** A picture turned clockwise by so many right angles, and the matrix to its pixels. */
export function turned(picture, turns) {
    const { data, width, height } = picture, right = width - 1, bottom = height - 1;
    if (turns === 0) return [picture, IDENTITY];
    const sideways = turns !== 2, made = { data: new Uint8Array(data.length), width: sideways ? height : width, height: sideways ? width : height };
    const matrix = { 1: [0, -1, bottom, 1, 0, 0, 0, 0, 1], 2: [-1, 0, right, 0, -1, bottom, 0, 0, 1], 3: [0, 1, 0, -1, 0, right, 0, 0, 1] }[turns];
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
            const u = matrix[0] * x + matrix[1] * y + matrix[2], v = matrix[3] * x + matrix[4] * y + matrix[5];
            made.data[v * made.width + u] = data[y * width + x];
        }
    return [made, matrix];
}

/** A picture mirrored from left to right, or from top to bottom. */
export function mirrored({ data, width, height }, across) {
    const made = new Uint8Array(data.length);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
            made[y * width + x] = data[across ? y * width + width - 1 - x : (height - 1 - y) * width + x];
    return { data: made, width, height };
}
