// The grain that strokes begin from where a picture is flat: zoo/pictures/grain.py in the browser.

/** A picture with grain of a standard deviation, as a fraction of the range of values. */
export function grained({ data, width, height }, strength) {
    const pixels = new Uint8ClampedArray(data), most = Math.round(255 * Math.sqrt(3) * strength), levels = 2 * most + 1;
    for (let row = 0, i = 0; row < height; row++)
        for (let column = 0; column < width; column++, i += 4) {
            const place = Math.imul(row, 0x9e3779b1) + Math.imul(column, 0x85ebca77);
            for (let c = 0; c < 3; c++)
                pixels[i + c] += Math.floor((mixed(place + Math.imul(c, 0xc2b2ae3d)) * levels) / 2 ** 32) - most;
        }
    return { data: pixels, width, height };
}

/** The integer hash "lowbias32" of a whole number: 0 to 2^32 - 1. */
function mixed(x) {
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    return (x ^ (x >>> 16)) >>> 0;
}
