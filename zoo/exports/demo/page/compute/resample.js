// Resizing as Pillow does it: antialiased filters with 22-bit weights, columns first, rounded to bytes after each pass.

const BITS = 2 ** 22;
const sinc = x => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

export const FILTERS = {
    bilinear: { support: 1, at: x => Math.max(1 - Math.abs(x), 0) },
    bicubic: { support: 2, at: x => cubic(Math.abs(x), -0.5) },
    lanczos: { support: 3, at: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The cubic convolution kernel with the parameter a, for x from 0 on. */
export function cubic(x, a) {
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** For each new place, the first old place that counts and the whole-numbered weights from there on.
 *
 * `length` is the part of the old places that is resized; it may end within a pixel. */
function weightsOf(old, length, size, { support, at }) {
    const scale = length / size, stretch = Math.max(scale, 1);
    return Array.from({ length: size }, (_, place) => {
        const center = (place + 0.5) * scale;
        const first = Math.max(Math.trunc(center - support * stretch + 0.5), 0);
        const last = Math.min(Math.trunc(center + support * stretch + 0.5), old);
        const weights = Array.from({ length: last - first }, (_, i) => at((i + first - center + 0.5) / stretch));
        const sum = weights.reduce((total, weight) => total + weight, 0);
        const whole = weights.map(weight => Math.trunc((weight / sum) * BITS + (weight / sum < 0 ? -0.5 : 0.5)));
        return { first, whole: Float64Array.from(whole) };
    });
}

/** One pass: places along an axis become others. Pixel (line, place) lies at line * across + place * along. */
function pass(data, made, table, lines, channels, old, next) {
    table.forEach(({ first, whole }, place) => {
        for (let line = 0; line < lines; line++) {
            const from = line * old.across + first * old.along, to = line * next.across + place * next.along;
            for (let c = 0; c < channels; c++) {
                let sum = BITS / 2;
                for (let i = 0, at = from + c; i < whole.length; i++, at += old.along) sum += whole[i] * data[at];
                made[to + c] = Math.floor(sum / BITS);
            }
        }
    });
    return made;
}

/** A picture at another size.
 *
 * Its channels are told from its bytes. `part` is [width, height] of the part that is resized, from the upper left. */
export function resized({ data, width, height }, columns, rows, filter, part = [width, height]) {
    const channels = data.length / (width * height);
    if (columns !== width || part[0] !== width) {
        const old = { across: channels * width, along: channels }, next = { across: channels * columns, along: channels };
        const table = weightsOf(width, part[0], columns, FILTERS[filter]);
        data = pass(data, new Uint8ClampedArray(channels * columns * height), table, height, channels, old, next);
    }
    if (rows !== height || part[1] !== height) {
        const step = { across: channels, along: channels * columns };
        const table = weightsOf(height, part[1], rows, FILTERS[filter]);
        data = pass(data, new Uint8ClampedArray(channels * columns * rows), table, columns, channels, step, step);
    }
    return { data, width: columns, height: rows };
}

/** A picture made smaller, by whole factors first where it is at least `gap` times too large, as Pillow's reducing_gap. */
export function reducedTo(picture, columns, rows, filter, gap = 3) {
    const across = Math.trunc(picture.width / columns / gap) || 1, down = Math.trunc(picture.height / rows / gap) || 1;
    if (across === 1 && down === 1) return resized(picture, columns, rows, filter);
    const part = [picture.width / across, picture.height / down];
    return resized(reduced(picture, across, down), columns, rows, filter, part);
}

/** A picture whose pixels are the means of blocks; blocks at the right and lower edge may be smaller. */
export function reduced({ data, width, height }, across, down) {
    const channels = data.length / (width * height), columns = Math.ceil(width / across), rows = Math.ceil(height / down);
    const made = new Uint8ClampedArray(channels * columns * rows);
    for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
            const right = Math.min((column + 1) * across, width), bottom = Math.min((row + 1) * down, height);
            const count = (right - column * across) * (bottom - row * down), factor = Math.floor(2 ** 24 / count);
            for (let c = 0; c < channels; c++) {
                let sum = Math.floor(count / 2);
                for (let y = row * down; y < bottom; y++)
                    for (let x = column * across; x < right; x++) sum += data[channels * (y * width + x) + c];
                made[channels * (row * columns + column) + c] = Math.floor((sum * factor) / 2 ** 24);
            }
        }
    return { data: made, width: columns, height: rows };
}
