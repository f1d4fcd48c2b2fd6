// The homography that fits the displacements of a picture's cells best: zoo/models/homographynet/field.py.

import { solved } from "./geometry.js";

const SIDE = 128, CELLS = 16, HALF = SIDE / 2, MIDDLE = HALF - 0.5;
const ROUNDS = 5, DOUBTFUL = 2, RIDGE = 1e-5, MIN_SCALE = 1e-2, MAX_SCALE = 1e3, FARTHEST = 8 * SIDE;
const clip = (x, low, high) => Math.min(Math.max(x, low), high);

/** Displacements of the corners of 128x128 pixels, [[x, y], ...], and the lower quartile of the cells' scales.
 *
 * `field` has (3, 16, 16) numbers: displacement of each cell in x and y, and the scale of its error, in pixels. Cells
 * with a number that is not finite do not count; where most have one, all results are NaN. */
export function fitted(field) {
    const n = CELLS * CELLS, known = k => [0, n, 2 * n].every(start => Number.isFinite(field[start + k]));
    const cells = Array.from({ length: n }, (_, k) => {
        const at = start => (known(k) ? field[start + k] : start === 2 * n ? MAX_SCALE : 0);
        const x = ((k % CELLS) + 0.5 - CELLS / 2) / (CELLS / 2), y = (Math.floor(k / CELLS) + 0.5 - CELLS / 2) / (CELLS / 2);
        const [dx, dy] = [at(0), at(n)].map(move => clip(move, -FARTHEST, FARTHEST) / HALF);
        return { x, y, u: x + dx, v: y + dy, likely: (HALF / clip(at(2 * n), MIN_SCALE, MAX_SCALE)) ** 2, scale: at(2 * n) };
    });
    if (cells.filter((_, k) => known(k)).length <= n / 2) return { offsets: Array(4).fill([NaN, NaN]), spread: NaN };
    return { offsets: cornersOf(homography(cells)), spread: lowerQuartile(cells.map(cell => cell.scale)) };
}

/** Iteratively reweighted least squares; gives eight numbers, the ninth is 1. */
function homography(cells) {
    let h = weighted(cells, cells.map(cell => cell.likely));
    for (let round = 0; round < ROUNDS; round++)
        h = weighted(cells, cells.map(({ x, y, u, v, likely }) => {
            const [at_u, at_v, below] = project(h, x, y), off = ((at_u - u) ** 2 + (at_v - v) ** 2) * likely;
            return likely / ((1 + off / DOUBTFUL ** 2) * below) ** 2;
        }));
    return h;
}

function weighted(cells, weights) {
    const pull = RIDGE * weights.reduce((sum, weight) => sum + weight, 0);
    const rows = Array.from({ length: 8 }, (_, i) => Float64Array.from({ length: 9 }, (_, j) =>
        i === j || (j === 8 && i % 4 === 0) ? pull : 0));
    cells.forEach(({ x, y, u, v }, k) => {
        for (const row of [[x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]])
            for (let i = 0; i < 8; i++) for (let j = 0; j < 9; j++) rows[i][j] += weights[k] * row[i] * row[j];
    });
    return solved(rows);
}

function project(h, x, y) {
    const below = Math.max(h[6] * x + h[7] * y + 1, 1e-2);
    return [(h[0] * x + h[1] * y + h[2]) / below, (h[3] * x + h[4] * y + h[5]) / below, below];
}

function cornersOf(h) {
    const far = SIDE - 1;
    return [[0, 0], [far, 0], [far, far], [0, far]].map(([px, py]) => {
        const x = (px - MIDDLE) / HALF, y = (py - MIDDLE) / HALF, [u, v] = project(h, x, y);
        return [(u - x) * HALF, (v - y) * HALF];
    });
}

/** As NumPy interpolates it. */
function lowerQuartile(values) {
    const sorted = Float64Array.from(values).sort(), place = (sorted.length - 1) / 4, before = Math.floor(place);
    return sorted[before] + (place - before) * (sorted[Math.min(before + 1, sorted.length - 1)] - sorted[before]);
}
