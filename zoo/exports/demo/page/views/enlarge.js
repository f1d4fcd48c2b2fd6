// Shows an enlarged picture beside bicubic interpolation, pixel for pixel, with a line to drag between them.

import { LARGEST } from "../compute/enlarge.js";
import { button, canvas, fit, make, percent, radios, saveCanvas, slider } from "../elements.js";
import * as settings from "../settings.js";

export class View {
    slots = ["Choose a picture"];
    camera = false;

    constructor(info, page) {
        Object.assign(this, { scale: info.facts.scale, page, largest: LARGEST / info.facts.scale ** 2, done: false });
    }

    elements() {
        this.before = canvas("enlarged by bicubic interpolation");
        this.after = canvas("enlarged by the network");
        this.line = make("span", { className: "line" });
        this.stack = make("div", { className: "stack pixels" }, this.before, this.after, this.line);
        this.frame = make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "the enlarged picture, which scrolls" }, this.stack);
        const wipe = slider("Line", { value: settings.number("wipe", 0.5, 0, 1) }, percent, value => this.#wipe(value));
        this.wipe = wipe.input;
        this.stack.onpointerdown = event => {
            this.stack.setPointerCapture(event.pointerId);
            this.#drag(event);
        };
        this.stack.onpointermove = event => event.buttons && this.#drag(event);
        const shown = settings.get("shown") === "fit" ? "fit" : "pixels";
        const size = radios("Shown", [["pixels", "pixel by pixel"], ["fit", "whole"]], shown, value => this.#fit(value));
        this.told = make("p", { className: "note" });
        this.#wipe(Number(wipe.input.value), false);
        this.#fit(shown, false);
        const save = make("div", { className: "row" }, button("Save the picture", () => this.#save()));
        return { seen: [this.frame], controls: [this.told, wipe.row, size, save] };
    }

    show([bitmap]) {
        this.done = false;
        this.after.style.background = "";
        const [width, height] = [bitmap.width, bitmap.height].map(side => this.scale * side);
        for (const each of [this.before, this.after]) Object.assign(each, { width, height });
        this.before.getContext("2d").drawImage(bitmap, 0, 0, width, height);
        this.told.textContent = `${bitmap.width}x${bitmap.height} become ${width}x${height} pixels. Left of the line: bicubic interpolation. Right: the network.`;
        fit(this.stack, bitmap);
        this.#size();
        this.frame.scrollTo((this.frame.scrollWidth - this.frame.clientWidth) / 2, (this.frame.scrollHeight - this.frame.clientHeight) / 2);
    }

    async compute() {
        this.done = (await this.page.ask()) !== null;
        if (this.done) this.after.style.background = "#fff"; // the other picture would shine through what is transparent
    }

    /** Takes a part of either picture as it is done. */
    part({ layer, left, top, width, pixels }) {
        this[layer].getContext("2d").putImageData(new ImageData(pixels, width), left, top);
    }

    #drag(event) {
        const { left, width } = this.stack.getBoundingClientRect();
        this.wipe.value = (event.clientX - left) / width;
        this.wipe.oninput();
    }

    #wipe(value, kept = true) {
        this.after.style.clipPath = `inset(0 0 0 ${100 * value}%)`;
        this.line.style.left = `${100 * value}%`;
        if (kept) settings.set({ wipe: value });
    }

    #fit(value, kept = true) {
        this.frame.dataset.shown = value;
        if (kept) settings.set({ shown: value });
        this.#size();
    }

    /** Pixel by pixel, each of the picture is one of the screen. */
    #size() {
        const whole = this.frame.dataset.shown === "fit";
        this.stack.style.width = whole ? "" : `${this.after.width / devicePixelRatio}px`;
    }

    #save() {
        if (this.done) saveCanvas(this.after, `${this.page.names[0].replace(/\.\w+$/, "")}_x${this.scale}.png`);
        else this.page.say("There is no result to save yet.", true);
    }
}
