// Shows two pictures aligned: one over the other, in turns, side by side at a line, their difference, or both in one.

import { LARGEST } from "../compute/homography.js";
import { corners, inverse, moved, ofCorners, resizing, times, translation } from "../compute/geometry.js";
import { button, canvas, fit, make, percent, radios, saveCanvas, slider } from "../elements.js";
import * as settings from "../settings.js";

const MODES = [["overlay", "overlay"], ["blink", "blink"], ["wipe", "wipe"], ["difference", "difference"], ["stitched", "stitched"]];
const NAMES = ["upper left", "upper right", "lower right", "lower left"];
const BLINK = 700; // milliseconds: slow enough for people whom flashes harm

export class View {
    slots = ["Choose the first picture", "Choose the second picture"];
    camera = false;
    largest = LARGEST;

    constructor(info, page) {
        Object.assign(this, { page, places: null, matrix: null, moved: settings.get("sample") ? settings.numbers("corners", 8) : null });
        this.mode = MODES.some(([mode]) => mode === settings.get("mode")) ? settings.get("mode") : "overlay";
    }

    elements() {
        this.second = canvas("the second picture");
        this.first = canvas("the first picture, laid over the second", "laid");
        this.over = make("div", { className: "over" }, this.first);
        this.outline = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        this.outline.append(document.createElementNS("http://www.w3.org/2000/svg", "polygon"));
        this.handles = NAMES.map((name, i) => this.#handle(name, i));
        this.both = make("div", { className: "both" }, this.second, this.over);
        this.stack = make("div", { className: "stack align" }, this.both, this.outline, ...this.handles);
        this.mosaic = canvas("both pictures in one");
        const fade = slider("Opacity or line", { value: settings.number("fade", 0.5, 0, 1) }, percent, value => this.#fade(value));
        this.fade = Number(fade.input.value);
        this.slider = fade.row;
        this.told = make("p", {});
        this.numbers = make("pre", { tabIndex: 0, "aria-label": "Matrix from pixels of the first picture to the second" });
        new ResizeObserver(() => this.#place()).observe(this.stack);
        setInterval(() => this.mode === "blink" && this.over.classList.toggle("away"), BLINK);
        return { seen: [this.stack, this.mosaic], controls: [
            this.told, radios("Shown", MODES, this.mode, mode => this.#switch(mode)), fade.row,
            make("p", { className: "note" }, "The red frame is the first picture. Drag its corners, or move them with the arrow keys, to compare with your own eye or to begin from there."),
            make("div", { className: "row" }, button("Align", () => this.compute()), button("Align from these corners", () => this.compute(this.matrix)),
                button("Back to the answer", () => this.#back())),
            this.numbers,
            make("div", { className: "row" }, button("Copy the matrix", () => this.#copy()), button("Save both in one", () => this.#save())),
        ] };
    }

    show([a, b]) {
        for (const [canvas, bitmap] of [[this.first, a], [this.second, b]]) {
            Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
            canvas.getContext("2d").drawImage(bitmap, 0, 0);
        }
        this.outline.setAttribute("viewBox", `-0.5 -0.5 ${b.width} ${b.height}`);
        fit(this.stack, b);
        this.answer = null;
        this.told.textContent = "";
        this.#take(resizing(a, b));
    }

    async compute(start = null) {
        const found = await this.page.ask({ start });
        if (!found) return;
        this.answer = found.matrix;
        const sure = `confidence ${found.confidence.toFixed(2)}${found.count ? `, ${found.count} matches agree` : ""}`;
        this.told.textContent = !found.valid ? "No homography was found: do these pictures show the same flat or far thing?"
            : found.trusted ? `Aligned: ${sure}.` : `Not to be trusted: ${sure}. Look at the overlay first.`;
        await this.#settle(found.matrix);
    }

    async #back() {
        if (this.answer) await this.#settle(this.answer);
    }

    /** Shows an answer, or at first the corners that the address names. */
    async #settle(matrix) {
        const places = this.moved && [0, 2, 4, 6].map(i => this.moved.slice(i, i + 2));
        this.moved = null;
        this.#take(matrix);
        if (places) this.#put(places);
        else settings.set({ corners: "" });
        if (this.mode === "stitched") await this.#stitch();
    }

    #take(matrix) {
        this.matrix = matrix;
        this.places = corners(this.first.width, this.first.height).map(place => moved(matrix, place));
        this.#changed();
    }

    #put(places) {
        this.places = places;
        this.matrix = ofCorners(places, this.first.width, this.first.height);
        this.#changed();
    }

    /** Shows where the corners are now. */
    #changed() {
        const rows = [0, 3, 6].map(i => this.matrix.slice(i, i + 3).map(value => value.toPrecision(10)).join(", "));
        this.numbers.textContent = `[${rows.map(row => `[${row}]`).join(",\n ")}]`;
        this.drawn = false;
        this.#place();
        this.#switch(this.mode, false);
    }

    #place() {
        if (!this.matrix) return;
        const scale = this.second.clientWidth / this.second.width, half = translation(0.5, 0.5);
        const edges = times(half, times(this.matrix, inverse(half))); // CSS counts from the edge of a pixel, not its middle
        const [a, b, c, d, e, f, g, h, i] = times([scale, 0, 0, 0, scale, 0, 0, 0, 1], edges);
        this.first.style.transform = `matrix3d(${[a, d, 0, g, b, e, 0, h, 0, 0, 1, 0, c, f, 0, i].join(",")})`;
        this.outline.firstChild.setAttribute("points", this.places.map(place => place.join(",")).join(" "));
        this.handles.forEach((handle, k) => {
            const [x, y] = this.places[k], within = (place, side) => Math.min(Math.max((place + 0.5) * scale, 0), side);
            const left = within(x, this.second.clientWidth), top = within(y, this.second.clientHeight); // else out of reach
            Object.assign(handle.style, { left: `${left}px`, top: `${top}px` });
            handle.classList.toggle("outside", Math.hypot(left - (x + 0.5) * scale, top - (y + 0.5) * scale) > 1);
            handle.setAttribute("aria-label", `${NAMES[k]} corner of the first picture, at ${x.toFixed(0)}, ${y.toFixed(0)}`);
        });
    }

    #handle(name, i) {
        const handle = make("button", { type: "button", className: "handle", title: `${name} corner` });
        handle.onpointerdown = event => handle.setPointerCapture(event.pointerId);
        handle.onpointermove = event => {
            if (!handle.hasPointerCapture(event.pointerId)) return;
            const { left, top, width } = this.second.getBoundingClientRect(), scale = this.second.width / width;
            this.#move(i, [(event.clientX - left) * scale - 0.5, (event.clientY - top) * scale - 0.5]);
        };
        handle.onkeydown = event => {
            const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
            if (!step || !this.places) return;
            event.preventDefault();
            this.#move(i, this.places[i].map((place, axis) => place + step[axis] * (event.shiftKey ? 10 : 1)));
        };
        return handle;
    }

    #move(i, place) {
        this.#put(this.places.with(i, place));
        settings.set({ corners: this.places.flat().map(value => value.toFixed(2)).join("_") });
    }

    /** The first picture's place as a shape of CSS. */
    #frame() {
        const share = (place, side) => `${(100 * (place + 0.5)) / side}%`;
        return `polygon(${this.places.map(([x, y]) => `${share(x, this.second.width)} ${share(y, this.second.height)}`).join(",")})`;
    }

    #fade(value) {
        this.fade = value;
        settings.set({ fade: value });
        this.#switch(this.mode, false);
    }

    async #switch(mode, kept = true) {
        this.mode = mode;
        if (kept) settings.set({ mode });
        const stitched = mode === "stitched";
        this.stack.hidden = stitched;
        this.mosaic.hidden = !stitched;
        this.over.classList.remove("away");
        this.slider.hidden = mode !== "overlay" && mode !== "wipe";
        this.slider.firstChild.textContent = mode === "wipe" ? "Line" : "Opacity of the first picture";
        this.over.style.clipPath = mode === "wipe" ? `inset(0 0 0 ${100 * this.fade}%)` : "";
        this.over.style.mixBlendMode = mode === "difference" ? "difference" : "";
        this.both.style.clipPath = mode === "difference" && this.places ? this.#frame() : ""; // nothing differs elsewhere
        this.over.style.opacity = mode === "overlay" ? this.fade : 1;
        if (stitched && kept) await this.#stitch();
    }

    async #stitch() {
        if (this.drawn || !this.matrix) return;
        const found = await this.page.ask({ matrix: this.matrix }, "stitch");
        if (!found) return;
        Object.assign(this.mosaic, { width: found.width, height: found.height });
        fit(this.mosaic, found);
        this.mosaic.getContext("2d").putImageData(new ImageData(found.pixels, found.width, found.height), 0, 0);
        this.drawn = true;
    }

    async #copy() {
        await navigator.clipboard.writeText(this.numbers.textContent).then(
            () => this.page.say("The matrix is in the clipboard."),
            () => this.page.say("The browser did not allow that: select the matrix and copy it.", true));
    }

    async #save() {
        await this.#stitch();
        if (this.drawn) saveCanvas(this.mosaic, "stitched.png");
    }
}
