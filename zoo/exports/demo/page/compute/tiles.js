// Tiles of large pictures: windows that a network sees, and the part of each that is kept.

/** Cuts a picture into tiles, row by row; the parts that are kept cover it once.
 *
 * `tile` is the largest side of a tile, `halo` the pixels around each kept part that are seen but not kept. Tiles begin
 * at multiples of `multiple`. Each tile is {seen, kept}, both as {left, top, right, bottom} in pixels of the picture. */
export function tiles(width, height, tile, halo, multiple = 1) {
    const columns = spans(width, tile, halo, multiple);
    return spans(height, tile, halo, multiple).flatMap(rows => columns.map(across => ({
        seen: { left: across.seen[0], top: rows.seen[0], right: across.seen[1], bottom: rows.seen[1] },
        kept: { left: across.kept[0], top: rows.kept[0], right: across.kept[1], bottom: rows.kept[1] },
    })));
}

function spans(side, tile, halo, multiple) {
    if (side <= tile) return [{ seen: [0, side], kept: [0, side] }];
    const step = Math.floor((tile - 2 * halo) / multiple) * multiple, found = [];
    for (let start = 0; start < side - 2 * halo; start += step) {
        const last = start + step >= side - 2 * halo;
        const kept = [start === 0 ? 0 : start + halo, last ? side : start + step + halo];
        found.push({ seen: [start, Math.min(start + tile, side)], kept });
    }
    return found;
}
