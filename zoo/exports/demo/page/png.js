// Writes PNG files of class ids, whose colours are a palette's: canvases only write colours.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
});

/** A PNG of one byte a pixel with a palette of RGB colours, as a blob. */
export async function indexed(ids, width, height, palette) {
    const lines = new Uint8Array((width + 1) * height); // each begins with its filter, 0
    for (let y = 0; y < height; y++) lines.set(ids.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
    const packed = new Response(new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
    const head = new DataView(new ArrayBuffer(13));
    head.setUint32(0, width);
    head.setUint32(4, height);
    head.setUint16(8, 0x0803); // 8 bits, palette
    const chunks = [["IHDR", new Uint8Array(head.buffer)], ["PLTE", Uint8Array.from(palette.flat())],
        ["IDAT", new Uint8Array(await packed)], ["IEND", new Uint8Array()]];
    return new Blob([Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), ...chunks.map(each => chunk(...each))], { type: "image/png" });
}

function chunk(name, content) {
    const bytes = new Uint8Array(content.length + 12), view = new DataView(bytes.buffer);
    view.setUint32(0, content.length);
    bytes.set([...name].map(letter => letter.charCodeAt(0)), 4);
    bytes.set(content, 8);
    let sum = 0xffffffff;
    for (const byte of bytes.subarray(4, content.length + 8)) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
    view.setUint32(content.length + 8, sum ^ 0xffffffff);
    return bytes;
}
