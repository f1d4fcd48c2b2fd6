// Pictures that people have: files, drops, the clipboard, the camera, samples. All of them become upright bitmaps.

import { button, make } from "./elements.js";

const TYPES = "image/jpeg,image/png,image/webp,image/avif,image/gif,image/bmp";

/** Decodes a file; throws one sentence where it cannot, or where it has more pixels than `most`.
 *
 * Values stay as they are stored, as Python reads them: no colour profile changes them. */
export async function decode(blob, name, most) {
    if (!blob.size) throw new Error(`${name} is an empty file.`);
    if (/svg/i.test(blob.type) || /\.svgz?$/i.test(name)) throw new Error(`${name} is a drawing without pixels: save it as PNG first.`);
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" }).catch(() => {
        const heic = /hei[cf]/i.test(blob.type) || /\.hei[cf]$/i.test(name);
        throw new Error(heic ? `This browser reads no HEIC pictures: save ${name} as JPEG first.` : `${name} is no picture that this browser reads, or it is damaged: try it as PNG or JPEG.`);
    });
    const { width, height } = bitmap;
    if (width * height <= most) return bitmap;
    bitmap.close();
    throw new Error(
        `${name} has ${width}x${height} pixels, and this page takes up to ${(most / 1e6).toFixed(1)} megapixels. ` +
        "Make it smaller, or use zoo predict on a computer.");
}

/** Controls by which a picture is chosen; `take` gets (blob, name). */
export function picker(label, withCamera, take) {
    const input = make("input", { type: "file", accept: TYPES, className: "hidden", "aria-label": label });
    input.onchange = () => {
        if (input.files[0]) take(input.files[0], input.files[0].name);
        input.value = ""; // so that the same file can be chosen again
    };
    const controls = [button(label, () => input.click()), input];
    if (withCamera && navigator.mediaDevices?.getUserMedia) controls.push(button("Camera", () => camera(take)));
    return make("div", { className: "row" }, ...controls);
}

/** Shows the camera in a dialog until a picture is taken. */
async function camera(take) {
    const video = make("video", { autoplay: true, muted: true, playsInline: true, "aria-label": "camera" });
    const told = make("p", { role: "alert" });
    let stream = null;
    const dialog = make("dialog", { "aria-label": "Take a picture" }, video, told, make("div", { className: "row" },
        button("Take the picture", async () => {
            if (video.videoWidth) take(await frame(video), "camera.png");
            dialog.close();
        }), button("Close", () => dialog.close())));
    dialog.onclose = () => {
        stream?.getTracks().forEach(track => track.stop());
        dialog.remove();
    };
    document.body.append(dialog);
    dialog.showModal();
    try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
        if (dialog.isConnected) video.srcObject = stream;
        else dialog.onclose();
    } catch {
        told.textContent = "The camera is not available, or its use was not allowed.";
    }
}

function frame(video) {
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise(resolve => canvas.toBlob(resolve, "image/png"));
}

/** Buttons for the samples that come with the page. */
export function sampleButtons(samples, take) {
    if (!samples.length) return "";
    const items = samples.map(sample => {
        const element = button("", () => take(sample), { className: "sample", "data-sample": sample.name, title: sample.source });
        element.append(...sample.files.map(file => make("img", { src: file, alt: "" })), make("span", {}, sample.label));
        return element;
    });
    return make("div", { className: "samples", role: "group", "aria-label": "Samples" }, ...items);
}
