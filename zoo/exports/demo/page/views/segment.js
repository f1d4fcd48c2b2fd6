// Shows the classes of a picture: an overlay, a legend with the fraction of each class, the class under the pointer.

import { LARGEST } from "../compute/segment.js";
import { button, canvas, fit, make, percent, save, saveCanvas, slider } from "../elements.js";
import { indexed } from "../png.js";
import * as settings from "../settings.js";

export class View {
    slots = ["Choose a picture"];
    camera = true;
    largest = LARGEST;

    constructor(info, page) {
        Object.assign(this, { labels: info.facts.labels, palette: info.facts.palette, page, found: null });
        this.off = new Set(settings.get("off").split(",").filter(Boolean));
    }

    elements() {
        this.picture = canvas("the picture");
        this.overlay = canvas("its classes as colours");
        this.under = make("output", { className: "under", textContent: "Point at the picture, or move with the arrow keys." });
        this.cross = make("span", { className: "cross", hidden: true });
        this.stack = make("div", { className: "stack", tabIndex: 0, role: "group", "aria-label": "the picture; arrow keys tell the class at a place" },
            this.picture, this.overlay, this.cross);
        this.stack.onpointermove = event => this.#point(event.offsetX / this.stack.clientWidth, event.offsetY / this.stack.clientHeight);
        this.stack.onkeydown = event => this.#step(event);
        const opacity = slider("Opacity", { value: settings.number("opacity", 0.5, 0, 1) }, percent, value => this.#fade(value));
        this.#fade(Number(opacity.input.value), false);
        this.legend = make("ul", { className: "legend", "aria-label": "Classes" });
        return { seen: [this.stack, this.under], controls: [opacity.row, this.legend, make("div", { className: "row" },
            button("Save the overlay", () => this.#saveOverlay()), button("Save the mask", () => this.#saveMask()))] };
    }

    show([bitmap]) {
        this.found = null;
        fit(this.stack, bitmap);
        this.at = [0.5, 0.5];
        for (const each of [this.picture, this.overlay]) Object.assign(each, { width: bitmap.width, height: bitmap.height });
        this.picture.getContext("2d").drawImage(bitmap, 0, 0);
        this.legend.replaceChildren();
    }

    async compute() {
        this.found = await this.page.ask();
        if (!this.found) return;
        this.#draw();
        this.#list();
    }

    #fade(value, kept = true) {
        this.overlay.style.opacity = value;
        if (kept) settings.set({ opacity: value });
    }

    #draw() {
        const { mask, width, height } = this.found, colors = this.palette.map((color, i) =>
            this.off.has(this.labels[i]) ? 0 : (255 << 24) | (color[2] << 16) | (color[1] << 8) | color[0]); // little-endian
        const pixels = Uint32Array.from(mask, id => colors[id]);
        this.overlay.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
    }

    #list() {
        const { counts, mask } = this.found, order = counts.map((_, i) => i).sort((i, j) => counts[j] - counts[i]);
        this.legend.replaceChildren(...order.filter(i => counts[i]).map(i => {
            const label = this.labels[i], input = make("input", { type: "checkbox", checked: !this.off.has(label) });
            input.onchange = () => {
                input.checked ? this.off.delete(label) : this.off.add(label);
                settings.set({ off: [...this.off].join(",") });
                this.#draw();
            };
            const swatch = make("span", { className: "swatch" });
            swatch.style.background = `rgb(${this.palette[i]})`;
            const fraction = `${((100 * counts[i]) / mask.length).toFixed(1)} %`;
            return make("li", {}, make("label", { className: "tick" }, input, swatch, `${label} `, make("span", { className: "note" }, fraction)));
        }));
    }

    /** Tells the class at a place, given as fractions of width and height. */
    #point(across, down) {
        if (!this.found) return;
        const { mask, width, height } = this.found, within = (place, side) => Math.min(Math.max(Math.floor(place * side), 0), side - 1);
        const [x, y] = [within(across, width), within(down, height)];
        this.at = [across, down];
        this.under.textContent = `${this.labels[mask[y * width + x]]} at ${x}, ${y}`;
    }

    #step(event) {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!step || !this.found) return;
        event.preventDefault();
        const [across, down] = this.at.map((place, i) => Math.min(Math.max(place + step[i] * 0.02, 0), 1));
        this.cross.hidden = false;
        Object.assign(this.cross.style, { left: `${100 * across}%`, top: `${100 * down}%` });
        this.#point(across, down);
    }

    #saveOverlay() {
        if (!this.found) return this.page.say("There is no result to save yet.", true);
        const both = make("canvas", { width: this.found.width, height: this.found.height }), context = both.getContext("2d");
        context.fillStyle = "white";
        context.fillRect(0, 0, both.width, both.height);
        context.drawImage(this.picture, 0, 0);
        context.globalAlpha = Number(this.overlay.style.opacity);
        context.drawImage(this.overlay, 0, 0);
        saveCanvas(both, "overlay.png");
    }

    async #saveMask() {
        if (!this.found) return this.page.say("There is no result to save yet.", true);
        const { mask, width, height } = this.found;
        save(await indexed(mask, width, height, this.palette), "mask.png");
    }
}
