// Homographies as nine numbers, row by row, and points as [x, y]; a pixel's centre has whole coordinates.

export const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const LEAST = 1e-6; // smallest denominator: keeps results of degenerate quadrilaterals finite
const awayFromZero = value => (Math.abs(value) < LEAST ? LEAST : value);

/** The product of two matrices. */
export const times = (a, b) => a.map((_, i) => [0, 1, 2].reduce((sum, k) => sum + a[i - (i % 3) + k] * b[3 * k + (i % 3)], 0));

export const determinant = ([a, b, c, d, e, f, g, h, i]) => a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);

/** The inverse, not normalised; infinite where there is none. */
export function inverse(m) {
    const [a, b, c, d, e, f, g, h, i] = m, size = determinant(m);
    const adjugate = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f,
        d * h - e * g, b * g - a * h, a * e - b * d];
    return adjugate.map(value => value / size);
}

/** The same homography with 1 in the lower right, finite even if it takes the first pixel to infinity. */
export function normalized(m) {
    const least = 1e-12 * Math.max(...m.map(Math.abs)), scale = Math.abs(m[8]) > least ? m[8] : least;
    return [...m.slice(0, 8).map(value => value / scale), 1];
}

/** A point mapped by a homography. */
export function moved(m, [x, y]) {
    const w = awayFromZero(m[6] * x + m[7] * y + m[8]);
    return [(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w];
}

/** The centres of a picture's corner pixels, clockwise from the upper left. */
export const corners = (width, height) => [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]];

/** The homography from the corners of a picture to four points, in closed form (Heckbert, 1989). */
export function ofCorners([[x0, y0], [x1, y1], [x2, y2], [x3, y3]], width, height) {
    const [sx, sy] = [x0 - x1 + x2 - x3, y0 - y1 + y2 - y3], [a, b, c, d] = [x1 - x2, x3 - x2, y1 - y2, y3 - y2];
    const below = awayFromZero(a * d - b * c), g = (sx * d - b * sy) / below, h = (a * sy - sx * c) / below;
    const [right, bottom] = [width - 1, height - 1];
    return [(x1 - x0 + g * x1) / right, (x3 - x0 + h * x3) / bottom, x0, (y1 - y0 + g * y1) / right,
        (y3 - y0 + h * y3) / bottom, y0, g / right, h / bottom, 1];
}

/** Whether four points, clockwise on the screen, are convex, and each three of them enclose more than an area. */
export function isConvex(points, area = 0) {
    return points.every(([x, y], i) => {
        const [x0, y0] = points[(i + 3) % 4], [x1, y1] = points[(i + 1) % 4];
        return (x - x0) * (y1 - y) - (y - y0) * (x1 - x) > 2 * area;
    });
}

/** The map between the pixels of a picture at two sizes, both {width, height}. */
export function resizing(old, next) {
    const sx = next.width / old.width, sy = next.height / old.height;
    return [sx, 0, (sx - 1) / 2, 0, sy, (sy - 1) / 2, 0, 0, 1];
}

export const translation = (x, y) => [1, 0, x, 0, 1, y, 0, 0, 1];

/** How many pixels of b one pixel in the middle of a covers, as a length. */
export function magnification(m, { width, height }) {
    const w = m[6] * (width - 1) / 2 + m[7] * (height - 1) / 2 + m[8];
    return Math.sqrt(Math.abs(determinant(m)) / Math.abs(w) ** 3);
}

/** The homography with 1 in the lower right, or null unless a becomes a convex quadrilateral near b, or b one near a. */
export function usable(m, a, b) {
    if (!m || !m.every(Number.isFinite) || !m[8]) return null;
    const own = m.map(value => value / m[8]), back = inverse(own);
    if (!back.every(Number.isFinite)) return null;
    return isNear(own, a, b) || isNear(back, b, a) ? own : null;
}

/** Whether a becomes a convex quadrilateral whose corners are at most the long side of b away from b. */
function isNear(m, a, b) {
    const places = corners(a.width, a.height), far = Math.max(b.width, b.height);
    if (!m[8] || !places.every(([x, y]) => (m[6] * x + m[7] * y) / m[8] + 1 > 1e-6)) return false;
    const found = places.map(place => moved(m, place));
    const inside = ([x, y]) => x >= -far && y >= -far && x <= b.width + far && y <= b.height + far;
    return found.every(inside) && isConvex(found);
}

/** The solution of linear equations, each a row with its right side last, by Gauss and Jordan with pivots. */
export function solved(rows) {
    for (let k = 0; k < rows.length; k++) {
        const largest = rows.slice(k).reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(rows[k + best][k]) ? i : best), 0);
        [rows[k], rows[k + largest]] = [rows[k + largest], rows[k]];
        for (const row of rows) {
            if (row === rows[k]) continue;
            const factor = row[k] / rows[k][k];
            for (let i = k; i < row.length; i++) row[i] -= factor * rows[k][i];
        }
    }
    return rows.map((row, k) => row.at(-1) / row[k]);
}
