// Pictures as pixels and as floats. A picture is {data, width, height} with RGBA bytes; grey pictures have one byte a pixel.

/** RGB planes of a window of a picture: Float32Array (3, rows, columns) in 0..1. */
export function planes({ data, width }, left, top, columns, rows) {
    const n = columns * rows, x = new Float32Array(3 * n);
    for (let row = 0, i = 0; row < rows; row++) {
        let at = 4 * ((top + row) * width + left);
        for (let column = 0; column < columns; column++, i++, at += 4) {
            x[i] = data[at] / 255;
            x[n + i] = data[at + 1] / 255;
            x[2 * n + i] = data[at + 2] / 255;
        }
    }
    return x;
}

/** Opaque RGBA bytes of planes (3, n) in 0..1. Clamped arrays round half to even, as NumPy's rint does, and clip. */
export function toPixels(y, n) {
    const pixels = new Uint8ClampedArray(4 * n).fill(255);
    for (let i = 0; i < n; i++)
        for (let c = 0; c < 3; c++) pixels[4 * i + c] = Math.fround(255 * y[c * n + i]);
    return pixels;
}

/** Luminance of an RGB colour by ITU-R BT.601, rounded as Pillow rounds it. */
export const luminance = (red, green, blue) => (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;

/** A grey picture: {data, width, height}, one byte a pixel. */
export function toGrey({ data, width, height }) {
    const grey = new Uint8Array(width * height);
    for (let i = 0; i < grey.length; i++) grey[i] = luminance(data[4 * i], data[4 * i + 1], data[4 * i + 2]);
    return { data: grey, width, height };
}

/** Whether no pixel of a picture has a colour: networks would tint it slightly. */
export function isGrey({ data }) {
    for (let i = 0; i < data.length; i += 4) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
    return true;
}

/** Whether any pixel of a picture is transparent, wholly or in part. */
export function isTransparent({ data }) {
    for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
    return false;
}

/** The picture with white in place of the colours that nobody sees. */
export function whiteWhereUnseen({ data, ...size }) {
    const made = data.slice();
    for (let i = 0; i < made.length; i += 4) if (!made[i + 3]) made[i] = made[i + 1] = made[i + 2] = 255;
    return { data: made, ...size };
}

/** Makes RGBA bytes grey, in place. */
export function discolor(pixels) {
    for (let i = 0; i < pixels.length; i += 4)
        pixels[i] = pixels[i + 1] = pixels[i + 2] = luminance(pixels[i], pixels[i + 1], pixels[i + 2]);
}
