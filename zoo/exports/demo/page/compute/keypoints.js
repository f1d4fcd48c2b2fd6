// From the network's outputs for cells to keypoints with descriptors: zoo/models/xfeat/features.py in the browser.

const CELL = 8, LENGTH = 64, PEAK = 0.001, REACH = 2;

/** Features of a grey picture: {points: [x, y, x, y, ...], descriptors, count, pixel}, the most reliable first. */
export async function find(net, { data, width, height }, most) {
    const x = Float32Array.from(data, value => value / 255);
    const { descriptors, keypoints, reliability } = await net.run(x, [1, 1, height, width]);
    const [columns, rows] = [Math.ceil(width / CELL), Math.ceil(height / CELL)];
    const heat = heatMap(keypoints.data, columns, rows), stride = columns * CELL;
    const peaks = peaksOf(heat, stride, width, height), sure = new Float32Array(1);
    for (const peak of peaks) {
        sampled(reliability.data, 1, columns, rows, peak.x, peak.y, sure, 0);
        peak.score = heat[peak.y * stride + peak.x] / (1 + Math.exp(-sure[0]));
    }
    const best = peaks.sort((a, b) => b.score - a.score).slice(0, most);
    const points = new Float64Array(2 * best.length), found = new Float32Array(LENGTH * best.length);
    best.forEach((peak, k) => {
        const [px, py] = subpixel(heat, stride, width, height, peak);
        points[2 * k] = px;
        points[2 * k + 1] = py;
        sampled(descriptors.data, LENGTH, columns, rows, px, py, found, LENGTH * k);
        normalize(found.subarray(LENGTH * k, LENGTH * (k + 1)));
    });
    return { points, descriptors: found, count: best.length, pixel: 1 };
}

/** Features whose points are transformed by an affine map. */
export function transformed(features, m) {
    const points = new Float64Array(features.points.length);
    for (let i = 0; i < points.length; i += 2) {
        const [x, y] = [features.points[i], features.points[i + 1]];
        points[i] = m[0] * x + m[1] * y + m[2];
        points[i + 1] = m[3] * x + m[4] * y + m[5];
    }
    return { ...features, points, pixel: Math.sqrt(Math.abs(m[0] * m[4] - m[1] * m[3])) };
}

/** Some of the features, by whether `keep(x, y)` holds. */
export function chosen(features, keep) {
    const kept = [];
    for (let k = 0; k < features.count; k++) if (keep(features.points[2 * k], features.points[2 * k + 1])) kept.push(k);
    const points = Float64Array.from(kept.flatMap(k => [features.points[2 * k], features.points[2 * k + 1]]));
    const descriptors = new Float32Array(LENGTH * kept.length);
    kept.forEach((k, i) => descriptors.set(features.descriptors.subarray(LENGTH * k, LENGTH * (k + 1)), LENGTH * i));
    return { ...features, points, descriptors, count: kept.length };
}

/** Probability of each pixel to be a keypoint, (8 rows, 8 columns), from logits (65, rows, columns). */
function heatMap(logits, columns, rows) {
    const n = columns * rows, bins = CELL * CELL + 1, heat = new Float32Array(n * CELL * CELL), raised = new Float32Array(bins);
    for (let cell = 0; cell < n; cell++) {
        let largest = -Infinity, sum = 0;
        for (let k = 0; k < bins; k++) largest = Math.max(largest, logits[k * n + cell]);
        for (let k = 0; k < bins; k++) sum += raised[k] = Math.exp(logits[k * n + cell] - largest);
        const top = Math.floor(cell / columns) * CELL, left = (cell % columns) * CELL;
        for (let k = 0; k < CELL * CELL; k++)
            heat[(top + (k >> 3)) * columns * CELL + left + (k & 7)] = raised[k] / sum;
    }
    return heat;
}

/** Pixels whose probability is the largest in a window, row by row. */
function peaksOf(heat, stride, width, height) {
    const found = [];
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
            if (heat[y * stride + x] >= PEAK && isLargest(heat, stride, width, height, x, y)) found.push({ x, y });
    return found;
}

function isLargest(heat, stride, width, height, x, y) {
    const own = heat[y * stride + x], right = Math.min(x + REACH, width - 1), bottom = Math.min(y + REACH, height - 1);
    for (let row = Math.max(y - REACH, 0); row <= bottom; row++)
        for (let column = Math.max(x - REACH, 0); column <= right; column++) if (heat[row * stride + column] > own) return false;
    return true;
}

/** A point moved to the centroid of the probability in the 3x3 pixels around it. */
function subpixel(heat, stride, width, height, { x, y }) {
    let total = 0, dx = 0, dy = 0;
    for (let i = -1; i <= 1; i++)
        for (let j = -1; j <= 1; j++) {
            const inside = y + i >= 0 && y + i < height && x + j >= 0 && x + j < width;
            const value = inside ? heat[(y + i) * stride + x + j] : 0;
            total += value;
            dx += j * value;
            dy += i * value;
        }
    return [x + dx / total, y + dy / total];
}

/** Writes the values of maps (C, rows, columns) of cells at a point in pixels, interpolated bilinearly. */
function sampled(maps, channels, columns, rows, px, py, into, start) {
    const x = Math.min(Math.max((px + 0.5) / CELL - 0.5, 0), columns - 1);
    const y = Math.min(Math.max((py + 0.5) / CELL - 0.5, 0), rows - 1);
    const left = Math.min(Math.floor(x), Math.max(columns - 2, 0)), top = Math.min(Math.floor(y), Math.max(rows - 2, 0));
    const p = x - left, q = y - top, right = Math.min(1, columns - 1), below = columns * Math.min(1, rows - 1);
    for (let c = 0, at = top * columns + left; c < channels; c++, at += columns * rows) {
        const upper = (1 - p) * maps[at] + p * maps[at + right];
        into[start + c] = (1 - q) * upper + q * ((1 - p) * maps[at + below] + p * maps[at + below + right]);
    }
}

function normalize(vector) {
    const length = Math.max(Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)), 1e-9);
    for (let i = 0; i < vector.length; i++) vector[i] /= length;
}
