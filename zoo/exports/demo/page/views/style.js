// Shows a picture in a style: a choice of styles, a second to blend with, strength, and the picture's own colours.

import { LARGEST } from "../compute/style.js";
import { button, canvas, choice, fit, make, percent, saveCanvas, slider, tick } from "../elements.js";
import * as settings from "../settings.js";

const SIDES = [["480", "large"], ["800", "as painted"], ["1200", "fine"]]; // longer side at which a picture is painted

export class View {
    slots = ["Choose a picture"];
    camera = true;
    largest = LARGEST;

    constructor(info, page) {
        Object.assign(this, { styles: info.facts.styles, thumbnails: info.thumbnails ?? {}, page, painted: null });
        const known = name => (this.styles.includes(name) ? name : "");
        this.style = known(settings.get("style")) || this.styles[0];
        this.other = known(settings.get("other"));
        this.share = settings.number("share", 0.5, 0, 1);
        this.strength = settings.number("strength", 1, 0, 1);
        this.colors = settings.get("colors") === "own";
        this.side = SIDES.some(([side]) => side === settings.get("side")) ? settings.get("side") : "800";
    }

    elements() {
        this.picture = canvas("the picture in the style");
        const others = [["", "none"], ...this.styles.map(style => [style, named(style)])];
        this.blend = slider("Share of the second style", { value: this.share }, percent, value => this.#change({ share: value }, "share"));
        this.blend.row.hidden = !this.other;
        return { seen: [this.picture], controls: [
            this.#gallery(),
            choice("Blend with", others, this.other, value => {
                this.blend.row.hidden = !value;
                this.#change({ other: value }, "other");
            }).row,
            this.blend.row,
            slider("Strength", { value: this.strength }, percent, value => {
                this.strength = value;
                settings.set({ strength: value });
                this.#draw();
            }).row,
            choice("Strokes", SIDES, this.side, value => this.#change({ side: value }, "side")).row,
            tick("Keep the colours of the picture", this.colors, value => {
                this.colors = value;
                settings.set({ colors: value ? "own" : "" });
                this.#later();
            }).row,
            make("div", { className: "row" }, button("Save the picture", () => this.#save())),
        ] };
    }

    #gallery() {
        const items = this.styles.map(style => {
            const input = make("input", { type: "radio", name: "style", value: style, checked: style === this.style });
            input.onchange = () => this.#change({ style }, "style");
            const shown = this.thumbnails[style] ? [make("img", { src: this.thumbnails[style], alt: "" })] : [];
            return make("label", { className: "style" }, input, ...shown, make("span", {}, named(style)));
        });
        return make("fieldset", { className: "styles" }, make("legend", {}, "Style"), ...items);
    }

    show([bitmap]) {
        this.bitmap = bitmap;
        this.painted = null;
        fit(this.picture, bitmap);
        Object.assign(this.picture, { width: bitmap.width, height: bitmap.height });
        this.picture.getContext("2d").drawImage(bitmap, 0, 0);
    }

    async compute() {
        clearTimeout(this.waiting);
        const weights = this.styles.map(style => (style === this.style ? 1 : 0));
        if (this.other) {
            weights.fill(0);
            weights[this.styles.indexOf(this.style)] += 1 - this.share;
            weights[this.styles.indexOf(this.other)] += this.share;
        }
        const found = await this.page.ask({ weights, side: Number(this.side), colors: this.colors, key: this.page.key });
        if (!found) return;
        this.painted = await createImageBitmap(new ImageData(found.pixels, found.width, found.height));
        this.#draw();
    }

    #change(values, name) {
        Object.assign(this, values);
        settings.set({ [name]: String(this[name]) });
        this.#later();
    }

    /** Paints anew once a slider rests: what is computed meanwhile would be thrown away. */
    #later() {
        clearTimeout(this.waiting);
        if (this.bitmap) this.waiting = setTimeout(() => this.compute(), 250);
    }

    #draw() {
        if (!this.painted) return;
        const context = this.picture.getContext("2d");
        context.globalAlpha = 1;
        context.globalCompositeOperation = "copy";
        context.drawImage(this.bitmap, 0, 0);
        context.globalAlpha = this.strength;
        context.globalCompositeOperation = "source-atop"; // what is transparent stays so
        context.drawImage(this.painted, 0, 0);
    }

    #save() {
        if (this.painted) saveCanvas(this.picture, "styled.png");
        else this.page.say("There is no result to save yet.", true);
    }
}

const named = style => style.replaceAll("_", " ");
