// The grain that strokes begin from where a picture is flat: zoo/pictures/grain.py in the browser.

const WEIGHTS = [1, 2, 3, 4, 5, 4, 3, 2, 1]; // of two boxes of 5 pixels
const BEYOND = 4; // rows and columns on each side that the boxes reach
const MEAN = 20479687.5, SPREAD = 1608082; // of a sum of 16-bit numbers by both boxes

/** A picture with grain of a standard deviation, as a fraction of the range of values. */
export function grained({ data, width, height }, strength) {
    const pixels = new Uint8ClampedArray(data), scale = (255 * strength) / SPREAD;
    for (let c = 0; strength && c < 3; c++) {
        const rows = []; // the sums across, of the nine rows around a row
        for (let row = -BEYOND; row < height + BEYOND; row++) {
            rows.push(across(row, c, width));
            if (rows.length < WEIGHTS.length) continue;
            for (let column = 0, i = 4 * (row - BEYOND) * width + c; column < width; column++, i += 4) {
                let sum = 0;
                for (let k = 0; k < WEIGHTS.length; k++) sum += WEIGHTS[k] * rows[k][column];
                pixels[i] += Math.floor((sum - MEAN) * scale + 0.5);
            }
            rows.shift();
        }
    }
    return { data: pixels, width, height };
}

/** Weighted sums of the numbers around each pixel of a row. */
function across(row, channel, width) {
    const place = Math.imul(row, 0x9e3779b1) + Math.imul(channel, 0xc2b2ae3d), sums = new Float64Array(width);
    const numbers = new Uint16Array(width + 2 * BEYOND);
    for (let i = 0; i < numbers.length; i++) numbers[i] = mixed(place + Math.imul(i - BEYOND, 0x85ebca77));
    for (let column = 0; column < width; column++)
        for (let k = 0; k < WEIGHTS.length; k++) sums[column] += WEIGHTS[k] * numbers[column + k];
    return sums;
}

/** Upper half of the integer hash "lowbias32" of a whole number: 0 to 65535. */
function mixed(x) {
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    return (x ^ (x >>> 16)) >>> 16;
}
