// From two pictures to a homography by features and their matches: zoo/models/xfeat/predict.py in the browser.

import { inverse, magnification, moved, normalized, resizing, times, usable } from "./geometry.js";
import { atScale, atSide, mirrored, turned } from "./grey.js";
import { chosen, find, transformed } from "./keypoints.js";
import { stitched } from "./mosaic.js";
import { toGrey } from "./pixels.js";
import { homographyOf } from "./robust.js";
import { warped } from "./warp.js";

export const LARGEST = 50e6; // pixels of a picture
const MAX_SIDE = 1024, MOST = 2048, LEAST = 384, LENGTH = 64, CELL = 8;
const AGREE = 0.6, NEAR = 3, ENOUGH = 40, PLENTY = 100, FEWEST = 15, ROUGH = 7, SURE = 25, TRUSTED = 0.5;
const LOOKS = 6, NONE = { matrix: null, count: 0 };

export class Matcher {
    constructor(net) {
        this.net = net;
    }

    stitch = stitched;

    /** All outputs, one after the other. */
    answer({ descriptors, keypoints, reliability }) {
        return Float32Array.from([descriptors, keypoints, reliability].flatMap(each => [...each.data]));
    }

    /** Gives {matrix, valid, confidence, trusted, count}; the matrix takes pixels of the first picture to the second.
     *
     * Options: `start`, a matrix near which to look; without it the pictures are matched as they are, then turned and
     * smaller, until enough matches agree. */
    async run(pictures, { start }, tell) {
        const [a, b] = pictures.map(toGrey), found = start ? await this.#from(a, b, start, tell) : await this.#align(a, b, tell);
        const valid = found.matrix !== null, confidence = valid ? found.count / (found.count + SURE) : 0;
        const matrix = normalized(found.matrix ?? resizing(a, b));
        tell("progress", { done: LOOKS, total: LOOKS });
        return { matrix, valid, confidence, trusted: valid && confidence >= TRUSTED, count: found.count };
    }

    async #align(a, b, tell) {
        let best = NONE;
        for (const [done, look] of this.#looks(a, b).entries()) {
            tell("progress", { done, total: LOOKS });
            let found = agreeing(...(await look()), a, b);
            if (found.matrix && found.count < PLENTY) found = larger(found, await this.#again(a, b, found.matrix));
            best = larger(best, found);
            if (best.count >= ENOUGH) break;
        }
        if (best.count < FEWEST || (best.count < PLENTY && (await this.#mirrored(a, b)) > best.count)) return NONE;
        return best;
    }

    async #from(a, b, start, tell) {
        tell("progress", { done: 0, total: 1 });
        const found = await this.#again(a, b, start);
        return found.count < FEWEST ? NONE : found;
    }

    /** Features of both pictures: as they are, the first turned, then each at half its size, as if seen from afar. */
    #looks(a, b) {
        const kept = new Map(), see = (picture, side, turns = 0) => this.#seen(picture, side, turns);
        const whole = async picture => kept.get(picture) ?? kept.set(picture, await see(picture, MAX_SIDE)).get(picture);
        const half = picture => see(picture, Math.max(Math.floor(Math.min(MAX_SIDE, Math.max(picture.width, picture.height, LEAST)) / 2), 1));
        return [
            async () => [await whole(a), await whole(b)],
            ...[1, 2, 3].map(turns => async () => [await see(a, MAX_SIDE, turns), await whole(b)]),
            async () => [await half(a), await whole(b)],
            async () => [await whole(a), await half(b)],
        ];
    }

    /** Features of a picture that is resized and turned first, in pixels of the original. */
    async #seen(picture, side, turns = 0) {
        const [small, toSmall] = atSide(picture, side), [shown, turning] = turned(small, turns);
        return transformed(await find(this.net, shown, MOST), inverse(times(turning, toSmall)));
    }

    /** A second pass with the finer picture warped to the other, so that both look alike. */
    async #again(a, b, matrix) {
        const [[smallA, toA], [smallB, toB]] = [atSide(a, MAX_SIDE), atSide(b, MAX_SIDE)];
        const onto = normalized(times(times(toB, matrix), inverse(toA))), coarseA = magnification(onto, smallA) > 1;
        const seenA = coarseA ? await find(this.net, smallA, MOST) : await this.#warped(smallA, smallB, onto);
        const seenB = coarseA ? await this.#warped(smallB, smallA, normalized(inverse(onto))) : await find(this.net, smallB, MOST);
        return agreeing(transformed(seenA, inverse(toA)), transformed(seenB, inverse(toB)), a, b);
    }

    /** Features of the finer picture warped to the coarser one, in pixels of the finer picture. */
    async #warped(fine, coarse, matrix) {
        const longer = Math.max(fine.width, fine.height);
        const [less, toLess] = atScale(fine, Math.max(1, Math.round(longer * Math.min(1, magnification(matrix, fine)))) / longer);
        const back = inverse(times(matrix, inverse(toLess))), shown = warped(less, back, coarse.width, coarse.height, Uint8Array);
        const there = ([x, y]) => x > -0.5 && y > -0.5 && x < less.width - 0.5 && y < less.height - 0.5;
        const isInside = (x, y) => [[-CELL / 2, -CELL / 2], [CELL / 2 - 1, -CELL / 2], [CELL / 2 - 1, CELL / 2 - 1], [-CELL / 2, CELL / 2 - 1]]
            .every(([dx, dy]) => there(moved(back, [clamp(Math.round(x) + dx, coarse.width), clamp(Math.round(y) + dy, coarse.height)])));
        const found = chosen(await find(this.net, shown, MOST), isInside), toFine = inverse(matrix);
        for (let i = 0; i < found.points.length; i += 2)
            found.points.set(moved(toFine, [found.points[i], found.points[i + 1]]), i);
        return found;
    }

    /** Inliers with the first mirrored: more than without mean a mirrored picture, which no camera takes. */
    async #mirrored(a, b) {
        const seen = await this.#seen(b, MAX_SIDE), counts = [];
        for (const across of [true, false])
            counts.push(agreeing(await this.#seen(mirrored(a, across), MAX_SIDE), seen, a, b).count);
        return Math.max(...counts);
    }
}

const larger = (one, other) => (other.count > one.count ? other : one);
const clamp = (place, side) => Math.min(Math.max(place, 0), side - 1);

/** The homography that most matches agree with, and how many. */
function agreeing(seenA, seenB, a, b) {
    const matches = matched(seenA, seenB), found = homographyOf(matches, NEAR * seenB.pixel);
    const matrix = found && usable(found.matrix, a, b);
    if (!matrix || found.inliers.length < ROUGH) return NONE;
    const thin = Math.min(breadth(found.inliers, 0) / seenA.pixel, breadth(found.inliers, 2) / seenB.pixel);
    return thin < NEAR ? NONE : { matrix, count: found.inliers.length }; // any of many homographies takes a line to a line
}

/** Standard deviation of points across the line that fits them best. */
function breadth(matches, first) {
    const n = matches.length, mean = axis => matches.reduce((sum, match) => sum + match[first + axis], 0) / n;
    const [x, y] = [mean(0), mean(1)];
    let [xx, xy, yy] = [0, 0, 0];
    for (const match of matches) {
        const [dx, dy] = [match[first] - x, match[first + 1] - y];
        xx += dx * dx / n;
        xy += dx * dy / n;
        yy += dy * dy / n;
    }
    return Math.sqrt(Math.max(0, (xx + yy - Math.hypot(xx - yy, 2 * xy)) / 2));
}

/** Points whose descriptors are each other's nearest and similar, as [x, y, u, v], the most similar first. */
function matched(a, b) {
    const toB = new Int32Array(a.count).fill(-1), toA = new Int32Array(b.count).fill(-1);
    const best = new Float32Array(a.count).fill(-2), other = new Float32Array(b.count).fill(-2);
    for (let i = 0; i < a.count; i++)
        for (let j = 0; j < b.count; j++) {
            let cosine = 0;
            for (let k = 0, p = LENGTH * i, q = LENGTH * j; k < LENGTH; k++) cosine += a.descriptors[p + k] * b.descriptors[q + k];
            if (cosine > best[i]) [best[i], toB[i]] = [cosine, j];
            if (cosine > other[j]) [other[j], toA[j]] = [cosine, i];
        }
    const found = [];
    toB.forEach((j, i) => {
        if (j >= 0 && toA[j] === i && best[i] >= AGREE)
            found.push({ alike: best[i], match: [a.points[2 * i], a.points[2 * i + 1], b.points[2 * j], b.points[2 * j + 1]] });
    });
    return found.sort((one, other) => other.alike - one.alike).map(each => each.match);
}
