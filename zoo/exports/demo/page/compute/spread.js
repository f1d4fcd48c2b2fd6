// Colours below transparency, as zoo/models/perceptual_sr/finish.py has them: stored ones, mostly black, would darken edges.

import { reduced, resized } from "./resample.js";

/** The picture, whose wholly transparent pixels take colours of visible ones nearby; its transparency stays.
 *
 * Nearby colours come from the picture at half the size, whose gaps are filled in the same way (push and pull, Gortler et
 * al., 1996). */
export function spread({ data, width, height }) {
    const isSeen = i => data[i + 3] > 0, made = data.slice(), gaps = new Uint8ClampedArray(data.length);
    let seen = 0;
    for (let i = 0; i < data.length; i += 4) {
        if (!isSeen(i)) continue;
        seen++;
        for (let c = 0; c < 3; c++) gaps[i + c] = data[i + c];
        gaps[i + 3] = 255;
    }
    if (!seen || 4 * seen === data.length) return { data: made, width, height };
    const small = reduced({ data: gaps, width, height }, 2, 2), pixels = small.data;
    for (let i = 0; i < pixels.length; i += 4) // colours were weighted by being seen
        for (let c = 0; c < 3; c++) pixels[i + c] = pixels[i + 3] ? Math.floor((255 * pixels[i + c]) / pixels[i + 3]) : 0;
    const near = resized(spread(small), width, height, "bilinear", [width / 2, height / 2]).data;
    for (let i = 0; i < data.length; i += 4) if (!isSeen(i)) for (let c = 0; c < 3; c++) made[i + c] = near[i + c];
    return { data: made, width, height };
}
