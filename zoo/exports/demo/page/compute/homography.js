// From two pictures to a homography by a network that sees both at 128x128: zoo/models/homographynet/predict.py.

import { fitted } from "./field.js";
import { IDENTITY, corners, inverse, isConvex, moved, normalized, ofCorners, resizing, times, usable } from "./geometry.js";
import { stitched } from "./mosaic.js";
import { planes, toGrey } from "./pixels.js";
import { resized } from "./resample.js";
import { correlation, warped } from "./warp.js";

export const LARGEST = 50e6; // pixels of a picture
const SIDE = 128, SMALL = { width: SIDE, height: SIDE }, CORNERS = corners(SIDE, SIDE), N = SIDE * SIDE;
const PASSES = 3, CONTRAST = 1 / 255, OVERLAP = 0.1, SAME = 0.9, AREA = 1, TRUSTED = 0.5;

export class Aligner {
    constructor(net, facts) {
        Object.assign(this, { net, channels: facts.channels, field: Boolean(facts.field) });
        this.doubtful = this.field ? 1 : 3; // correction left that halves the confidence, in pixels of 128x128
    }

    answer = outputs => (this.field ? Float32Array.from(fitted(outputs.field.data).offsets.flat()) : outputs.offsets.data);
    stitch = stitched;

    /** Gives {matrix, valid, confidence, trusted}; the matrix takes pixels of the first picture to the second.
     *
     * Options: `start`, a matrix to correct; without it the network looks in both orders from where things are. */
    async run(pictures, { start }, tell) {
        const [a, b] = pictures.map(picture => this.#seen(picture)), pair = { a, b };
        const [toA, toB] = pictures.map(picture => resizing(picture, SMALL));
        const begin = start ? normalized(times(times(toB, start), inverse(toA))) : null;
        const found = await this.#bothWays(pair, begin, tell);
        const small = !begin && nothingMoved(pair, found.matrix) ? IDENTITY : found.matrix;
        let matrix = normalized(times(times(inverse(toB), small), toA));
        const valid = found.valid && usable(matrix, ...pictures) !== null;
        const confidence = valid ? await this.#confidence(pair, small) : 0;
        if (!valid) matrix = normalized(times(inverse(toB), toA));
        tell("progress", { done: PASSES + 1, total: PASSES + 1 });
        return { matrix, valid, confidence, trusted: valid && confidence >= TRUSTED };
    }

    /** Planes as the network sees a picture: {planes: [Float32Array], grey}, at 128x128. */
    #seen(picture) {
        const small = resized(this.channels === 1 ? toGrey(picture) : picture, SIDE, SIDE, "bilinear");
        const x = this.channels === 1 ? Float32Array.from(small.data, value => value / 255) : planes(small, 0, 0, SIDE, SIDE);
        const own = Array.from({ length: this.channels }, (_, c) => x.subarray(c * N, (c + 1) * N));
        const grey = Uint8Array.from({ length: N }, (_, i) =>
            Math.round((255 * own.reduce((sum, plane) => sum + plane[i], 0)) / own.length));
        return { planes: own, grey: { data: grey, ...SMALL }, shows: own.some(plane => deviation(plane) > CONTRAST) };
    }

    async #bothWays({ a, b }, start, tell) {
        const starts = start ? [start, normalized(inverse(start))] : null;
        const [there, back] = await this.#estimate([[a, b], [b, a]], PASSES, starts, tell);
        const other = normalized(inverse(back.matrix)), known = back.valid && other.every(Number.isFinite);
        const better = known && (!there.valid || agreement(a, b, other) > agreement(a, b, there.matrix));
        return { matrix: better ? other : there.matrix, valid: there.valid || known };
    }

    /** Confidence from the correction of an estimate that is left: the mean of both orders. */
    async #confidence({ a, b }, matrix) {
        const found = await this.#estimate([[a, b], [b, a]], 1, [matrix, normalized(inverse(matrix))]);
        const left = (found[0].residual + found[1].residual) / 2;
        return Number.isFinite(left) ? 1 / (1 + (left / this.doubtful) ** 2) : 0;
    }

    /** Looks several times at pairs; each later look corrects the estimate so far. */
    async #estimate(pairs, passes, starts, tell = () => {}) {
        const found = pairs.map(([a, b], i) => ({ matrix: starts?.[i] ?? IDENTITY, valid: a.shows && b.shows, residual: NaN }));
        for (let look = 0; look < passes; look++) {
            tell("progress", { done: look, total: passes + 1 });
            const answers = await this.#look(pairs.map(([a, b], i) => [...a.planes, ...this.#shown(b, found[i].matrix)]));
            answers.forEach(({ offsets, residual }, i) => {
                const places = CORNERS.map(([x, y], k) => [x + offsets[k][0], y + offsets[k][1]]);
                const composed = times(found[i].matrix, ofCorners(places, SIDE, SIDE)).map((value, _, all) => value / all[8]);
                const convex = isConvex(places, AREA) && isConvex(CORNERS.map(place => moved(composed, place)), AREA);
                found[i].residual = residual;
                if (look === 0) found[i].valid &&= convex;
                if (found[i].valid && convex) found[i].matrix = composed;
            });
        }
        return found;
    }

    #shown(b, matrix) {
        if (matrix === IDENTITY) return b.planes;
        return b.planes.map(data => warped({ data, ...SMALL }, matrix, SIDE, SIDE).data);
    }

    /** One pass of the network for pairs, each given by its planes: offsets and the residual of each. */
    async #look(pairs) {
        const x = new Float32Array(pairs.length * 2 * this.channels * N);
        pairs.flat().forEach((plane, i) => x.set(plane, i * N));
        const outputs = await this.net.run(x, [pairs.length, 2 * this.channels, SIDE, SIDE]);
        return pairs.map((_, i) => {
            const { offsets, spread } = this.field
                ? fitted(outputs.field.data.subarray(i * 3 * 256, (i + 1) * 3 * 256))
                : { offsets: inPairs(outputs.offsets.data.subarray(8 * i, 8 * i + 8)), spread: outputs.spread?.data[i] ?? 0 };
            return { offsets, residual: Math.hypot(mean(offsets.map(each => Math.hypot(...each))), spread) };
        });
    }
}

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
const inPairs = values => [0, 2, 4, 6].map(i => [values[i], values[i + 1]]);

function deviation(plane) {
    const middle = mean(plane);
    return Math.sqrt(plane.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (plane.length - 1));
}

/** Mean correlation of two pictures, as seen from either one; -1 where they hardly overlap. */
function agreement(a, b, matrix) {
    const seen = correlation(a.grey, b.grey, matrix, OVERLAP) + correlation(b.grey, a.grey, inverse(matrix), OVERLAP);
    return Number.isNaN(seen) ? -1 : seen / 2;
}

/** Whether the pictures agree as they are, and better than under an estimate. */
function nothingMoved({ a, b }, matrix) {
    return agreement(a, b, IDENTITY) >= Math.max(agreement(a, b, matrix), SAME);
}
