// Pictures as seen through homographies, bilinearly.

/** The steps of a homography along a row: calls `use(i, x, y)` for each pixel i of a result, with its place in the source. */
export function eachPlace(m, width, height, use) {
    for (let v = 0, i = 0; v < height; v++)
        for (let u = 0; u < width; u++, i++) {
            const w = m[6] * u + m[7] * v + m[8] || 1e-12;
            use(i, (m[0] * u + m[1] * v + m[2]) / w, (m[3] * u + m[4] * v + m[5]) / w);
        }
}

/** A grey picture at the places of a homography: pixel p of the result shows it at `m p`; its edge is repeated.
 *
 * `make` is the type of the result; whole numbers are rounded. */
export function warped({ data, width, height }, m, columns, rows, Type = Float32Array) {
    const made = new Type(columns * rows), round = Type === Float32Array ? x => x : Math.round;
    const within = (place, side) => Math.min(Math.max(place, 0), side - 1) || 0; // NaN becomes 0
    eachPlace(m, columns, rows, (i, x, y) => {
        const u = within(x, width), v = within(y, height), left = Math.floor(u), top = Math.floor(v);
        const p = u - left, q = v - top, at = top * width + left, right = left + 1 < width ? 1 : 0;
        const below = top + 1 < height ? width : 0;
        const upper = (1 - p) * data[at] + p * data[at + right];
        made[i] = round((1 - q) * upper + q * ((1 - p) * data[at + below] + p * data[at + below + right]));
    });
    return { data: made, width: columns, height: rows };
}

/** Correlation coefficient of a and of b warped to a, where b covers a; NaN if it covers less than the fraction `least`. */
export function correlation(a, b, m, least) {
    const seen = warped(b, m, a.width, a.height, Uint8Array).data;
    let n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    eachPlace(m, a.width, a.height, (i, x, y) => {
        if (!(x >= 0 && y >= 0 && x <= b.width - 1 && y <= b.height - 1)) return;
        const p = a.data[i], q = seen[i];
        n++, sa += p, sb += q, saa += p * p, sbb += q * q, sab += p * q;
    });
    if (n < Math.max(2, least * a.data.length)) return NaN;
    return (n * sab - sa * sb) / Math.sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
}
