// The homography that most matches agree with: samples of four, every second one of the most similar matches only, as
// PROSAC draws them (Chum and Matas, 2005), then weights as MAGSAC++ has them (https://arxiv.org/abs/1912.05909), iterated
// to their fixed point, as zoo predict does. The numbers are drawn from a fixed seed, so that answers repeat.

import { inverse, ofCorners, solved, times } from "./geometry.js";

const MOST = 40_000, LEAST = 400; // samples
const SURE = 0.999, FIRST = 12; // matches that the first samples are drawn from
const BRIEF = 4, LONG = 100; // rounds of weighted least squares for a candidate, and for the result
const QUANTILE = 3.64; // of the error's length, in standard deviations
const REACH = 2.5; // thresholds: distance from which on a match has no weight
const SQUARE = 2; // sides of the square that samples are mapped from

/** Gives {matrix, inliers} with 1 in the lower right, or null.
 *
 * `matches` are [x, y, u, v], the most similar first; `threshold` is the largest error of an inlier, in pixels of the
 * second picture. */
export function homographyOf(matches, threshold) {
    if (matches.length < 4) return null;
    const flat = Float64Array.from(matches.flat()), draw = generator(7), limit = threshold ** 2;
    let best = { matrix: null, score: 0 }, rounds = MOST;
    for (let round = 0; round < rounds; round++) {
        const among = round % 2 ? matches.length : FIRST + Math.floor((2 * matches.length * round) / MOST);
        const matrix = ofSample(sample(matches, among, draw));
        if (!matrix || scored(flat, matrix, limit) <= best.score) continue;
        best = bettered(flat, matrix, threshold);
        const share = Math.min(countOf(flat, best.matrix, limit) / matches.length, 0.99);
        rounds = Math.min(rounds, Math.max(LEAST, Math.ceil(Math.log(1 - SURE) / Math.log(1 - share ** 4))));
    }
    if (!best.matrix) return null;
    const matrix = refined(flat, best.matrix, REACH * threshold, LONG) ?? best.matrix;
    return { matrix, inliers: matches.filter((_, k) => error(matrix, flat, k) <= limit) };
}

/** A candidate, or what weighted least squares make of it where more matches agree with that. */
function bettered(flat, matrix, threshold) {
    let best = { matrix, score: scored(flat, matrix, threshold ** 2) };
    for (const reach of [4 * threshold, 2 * threshold]) { // matches a little off pull a rough candidate into its place
        const next = refined(flat, best.matrix, reach, BRIEF), score = next ? scored(flat, next, threshold ** 2) : 0;
        if (score > best.score) best = { matrix: next, score };
    }
    return best;
}

/** Squared distance in the second picture of match k's point from where the matrix takes it. */
function error(m, flat, k) {
    const x = flat[4 * k], y = flat[4 * k + 1], w = m[6] * x + m[7] * y + m[8];
    const du = (m[0] * x + m[1] * y + m[2]) / w - flat[4 * k + 2], dv = (m[3] * x + m[4] * y + m[5]) / w - flat[4 * k + 3];
    return du * du + dv * dv;
}

function scored(flat, m, limit) {
    let score = 0;
    for (let k = 0; 4 * k < flat.length; k++) {
        const off = error(m, flat, k);
        if (off < limit) score += 1 - off / limit;
    }
    return score;
}

function countOf(flat, m, limit) {
    let count = 0;
    for (let k = 0; 4 * k < flat.length; k++) if (error(m, flat, k) <= limit) count++;
    return count;
}

/** Numbers in 0..1 (mulberry32). */
function generator(state) {
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
}

function sample(matches, among, draw) {
    const taken = [];
    while (taken.length < 4) {
        const next = matches[Math.floor(draw() * Math.min(among, matches.length))];
        if (!taken.includes(next)) taken.push(next);
    }
    return taken;
}

/** The matrix through four matches; null where three points lie on a line, or change their order. */
function ofSample(four) {
    for (const [i, j, k] of [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]]) {
        const p = area(four[i], four[j], four[k], 0), q = area(four[i], four[j], four[k], 2);
        if (Math.abs(p) < 1 || Math.abs(q) < 1 || p > 0 !== q > 0) return null;
    }
    const [from, to] = [0, 2].map(first => four.map(match => [match[first], match[first + 1]]));
    const m = times(ofCorners(to, SQUARE, SQUARE), inverse(ofCorners(from, SQUARE, SQUARE)));
    return m.every(Number.isFinite) && m[8] ? m.map(value => value / m[8]) : null;
}

const area = (a, b, c, i) => (b[i] - a[i]) * (c[i + 1] - a[i + 1]) - (b[i + 1] - a[i + 1]) * (c[i] - a[i]);

/** The matrix that weighted least squares settle at; null where they find none. Matches farther off than `reach` have no weight. */
function refined(flat, m, reach, rounds) {
    const weights = new Float64Array(flat.length / 4);
    for (let round = 0; round < rounds; round++) {
        for (let k = 0; k < weights.length; k++) weights[k] = weight(Math.sqrt(error(m, flat, k)), reach);
        const next = fitted(flat, weights);
        if (!next) return null;
        const step = Math.max(...next.map((value, i) => Math.abs(value - m[i]) / (Math.abs(m[i]) + 1e-6)));
        m = next;
        if (step < 1e-9) break;
    }
    return m;
}

/** The weight of an error, averaged over all noise that reaches no farther: a difference of incomplete gamma functions. */
const weight = (distance, reach) => (distance < reach ? upperGamma((QUANTILE * distance / reach) ** 2 / 2) - LEFT : 0);

const upperGamma = x => 0.5 * Math.sqrt(Math.PI) * erfc(Math.sqrt(x)) + Math.sqrt(x) * Math.exp(-x);

/** Abramowitz and Stegun, 7.1.26: within 1.5e-7. */
function erfc(x) {
    const t = 1 / (1 + 0.3275911 * x);
    return ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
}

const LEFT = upperGamma(QUANTILE ** 2 / 2);

/** Weighted least squares of the linear equations of nine numbers whose squares add up to 1; null where there is no answer. */
function fitted(flat, weights) {
    const a = scaling(flat, weights, 0), b = scaling(flat, weights, 2);
    if (!(a.size > 0 && b.size > 0)) return null;
    const sums = Array.from({ length: 9 }, () => new Float64Array(9));
    for (let k = 0; k < weights.length; k++) {
        if (!weights[k]) continue;
        const x = (flat[4 * k] - a.x) / a.size, y = (flat[4 * k + 1] - a.y) / a.size;
        const u = (flat[4 * k + 2] - b.x) / b.size, v = (flat[4 * k + 3] - b.y) / b.size;
        for (const row of [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]])
            for (let i = 0; i < 9; i++) for (let j = 0; j < 9; j++) sums[i][j] += weights[k] * row[i] * row[j];
    }
    const toA = [1 / a.size, 0, -a.x / a.size, 0, 1 / a.size, -a.y / a.size, 0, 0, 1];
    const found = times(times([b.size, 0, b.x, 0, b.size, b.y, 0, 0, 1], least(sums)), toA);
    return found.every(Number.isFinite) && found[8] ? found.map(value => value / found[8]) : null;
}

/** The eigenvector of the smallest eigenvalue, by inverse iteration. */
function least(sums) {
    let vector = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    for (let round = 0; round < 4; round++) {
        const next = solved(sums.map((row, i) => Float64Array.of(...row, vector[i])));
        vector = next.map(value => value / Math.hypot(...next));
    }
    return vector;
}

/** The mean of points with a weight and their mean distance from it, which keep the equations well scaled. */
function scaling(flat, weights, first) {
    let count = 0, x = 0, y = 0, size = 0;
    for (let k = 0; k < weights.length; k++) {
        if (!weights[k]) continue;
        count++;
        x += flat[4 * k + first];
        y += flat[4 * k + first + 1];
    }
    [x, y] = [x / count, y / count];
    for (let k = 0; k < weights.length; k++)
        if (weights[k]) size += Math.hypot(flat[4 * k + first] - x, flat[4 * k + first + 1] - y);
    return { x, y, size: size / count };
}
