// The homography that most matches agree with: random samples, then weights as MAGSAC++ has them
// (https://arxiv.org/abs/1912.05909). The numbers are drawn from a fixed seed, so that answers repeat.

import { inverse, ofCorners, solved, times } from "./geometry.js";

const MOST = 10_000, SURE = 0.999, POLISH = 30, QUANTILE = 3.64; // of the error's length, in standard deviations
const SQUARE = 2; // sides of the square that samples of four points are mapped from

/** Gives {matrix, inliers} with 1 in the lower right, or null.
 *
 * `matches` are [x, y, u, v]; `threshold` is the largest error of an inlier, in pixels of the second picture. */
export function homographyOf(matches, threshold) {
    if (matches.length < 4) return null;
    const draw = generator(7), limit = threshold ** 2;
    let best = null, rounds = MOST;
    for (let round = 0; round < rounds; round++) {
        const matrix = ofSample(sample(matches, draw));
        if (!matrix) continue;
        const score = scored(matches, matrix, limit);
        if (best && score <= best.score) continue;
        best = { matrix, score };
        const polished = refined(matches, matrix, threshold, 3);
        const again = polished ? scored(matches, polished, limit) : 0;
        if (again > best.score) best = { matrix: polished, score: again };
        const share = Math.min(countOf(matches, best.matrix, limit) / matches.length, 0.9999);
        rounds = Math.min(rounds, Math.max(50, Math.ceil(Math.log(1 - SURE) / Math.log(1 - share ** 4))));
    }
    if (!best) return null;
    const matrix = refined(matches, best.matrix, threshold, POLISH) ?? best.matrix;
    return { matrix, inliers: matches.filter(match => error(matrix, match) <= limit) };
}

/** Squared distance in the second picture of a match's point from where the matrix takes it. */
export function error(m, [x, y, u, v]) {
    const w = m[6] * x + m[7] * y + m[8];
    return ((m[0] * x + m[1] * y + m[2]) / w - u) ** 2 + ((m[3] * x + m[4] * y + m[5]) / w - v) ** 2;
}

const countOf = (matches, m, limit) => matches.reduce((sum, match) => sum + (error(m, match) <= limit), 0);
const scored = (matches, m, limit) => matches.reduce((sum, match) => sum + Math.max(0, 1 - error(m, match) / limit), 0);

/** Numbers in 0..1 (mulberry32). */
function generator(state) {
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
}

function sample(matches, draw) {
    const taken = new Set();
    while (taken.size < 4) taken.add(Math.floor(draw() * matches.length));
    return [...taken].map(i => matches[i]);
}

/** The matrix through four matches; null where three points lie on a line, or change their order. */
function ofSample(four) {
    const [from, to] = [four.map(([x, y]) => [x, y]), four.map(([, , u, v]) => [u, v])];
    for (const [i, j, k] of [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]]) {
        const [p, q] = [area(from[i], from[j], from[k]), area(to[i], to[j], to[k])];
        if (Math.abs(p) < 1 || Math.abs(q) < 1 || p > 0 !== q > 0) return null;
    }
    const m = times(ofCorners(to, SQUARE, SQUARE), inverse(ofCorners(from, SQUARE, SQUARE)));
    return m.every(Number.isFinite) && m[8] ? m.map(value => value / m[8]) : null;
}

const area = ([x0, y0], [x1, y1], [x2, y2]) => (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0);

/** The matrix that weighted least squares settle at; null where they find none. */
function refined(matches, m, threshold, rounds) {
    for (let round = 0; round < rounds; round++) {
        const weights = matches.map(match => weight(Math.sqrt(error(m, match)), threshold / QUANTILE));
        const next = fitted(matches, weights, m);
        if (!next) return null;
        const step = Math.max(...next.map((value, i) => Math.abs(value - m[i]) / (Math.abs(m[i]) + 1e-6)));
        m = next;
        if (step < 1e-9) break;
    }
    return m;
}

/** The weight of an error, averaged over all noise up to sigma: a difference of incomplete gamma functions of 3/2. */
function weight(distance, sigma) {
    if (!(distance < QUANTILE * sigma)) return 0;
    return upperGamma(distance ** 2 / (2 * sigma ** 2)) - upperGamma(QUANTILE ** 2 / 2);
}

const upperGamma = x => 0.5 * Math.sqrt(Math.PI) * erfc(Math.sqrt(x)) + Math.sqrt(x) * Math.exp(-x);

/** Abramowitz and Stegun, 7.1.26: within 1.5e-7. */
function erfc(x) {
    const t = 1 / (1 + 0.3275911 * x);
    return ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
}

/** Weighted least squares of the linear equations, divided by the denominators of the estimate so far. */
function fitted(matches, weights, m) {
    const a = scaling(matches, weights, 0), b = scaling(matches, weights, 2);
    if (!a || !b) return null;
    const rows = Array.from({ length: 8 }, () => new Float64Array(9));
    matches.forEach(([px, py, pu, pv], k) => {
        if (!weights[k]) return;
        const w = weights[k] / (m[6] * px + m[7] * py + 1) ** 2;
        const [x, y, u, v] = [(px - a.x) / a.size, (py - a.y) / a.size, (pu - b.x) / b.size, (pv - b.y) / b.size];
        for (const row of [[x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]])
            for (let i = 0; i < 8; i++) for (let j = 0; j < 9; j++) rows[i][j] += w * row[i] * row[j];
    });
    const toA = [1 / a.size, 0, -a.x / a.size, 0, 1 / a.size, -a.y / a.size, 0, 0, 1];
    const found = times(times([b.size, 0, b.x, 0, b.size, b.y, 0, 0, 1], [...solved(rows), 1]), toA);
    return found.every(Number.isFinite) && found[8] ? found.map(value => value / found[8]) : null;
}

/** Weighted mean of points and their mean distance from it, which keep the equations well scaled. */
function scaling(matches, weights, first) {
    const total = weights.reduce((sum, value) => sum + value, 0);
    const about = value => matches.reduce((sum, match, k) => sum + weights[k] * value(match), 0) / total;
    const x = about(match => match[first]), y = about(match => match[first + 1]);
    const size = about(match => Math.hypot(match[first] - x, match[first + 1] - y));
    return total > 0 && size > 0 ? { x, y, size } : null;
}
