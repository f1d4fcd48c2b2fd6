// The page of a model: takes pictures, asks the worker, and shows what its view makes of the answers.

import { button, make } from "./elements.js";
import { isolate } from "./isolate.js";
import { decode, picker, sampleButtons } from "./pictures.js";
import * as settings from "./settings.js";
import { Stopped, Work } from "./work.js";

const PATIENCE = 3000; // milliseconds that threads are waited for
const VIEWS = {
    segment: () => import("./views/segment.js"),
    enlarge: () => import("./views/enlarge.js"),
    style: () => import("./views/style.js"),
    homography: () => import("./views/align.js"),
    features: () => import("./views/align.js"),
};

class Page {
    #asked = 0;

    constructor(info, View) {
        this.info = info;
        this.work = new Work(info, told => this.#hear(told));
        this.view = new View(info, this);
        this.bitmaps = this.view.slots.map(() => null);
        this.names = this.view.slots.map(() => "");
    }

    /** Builds the page and takes the sample that its address names. */
    async open() {
        this.status = make("p", { role: "status" });
        this.checked = make("p", { className: "note" });
        this.bar = make("progress", { "aria-label": "progress", max: 1, value: 0 });
        this.stop = button("Stop", () => this.work.stop());
        this.running = make("div", { className: "row running", hidden: true }, this.bar, this.stop);
        const { seen, controls } = this.view.elements();
        const pickers = this.view.slots.map((slot, i) => picker(slot, this.view.camera, (blob, name) => this.take(blob, name, i)));
        document.querySelector("#app").replaceChildren(
            make("section", { className: "card", "aria-label": "Pictures" },
                make("div", { className: "row" }, ...pickers, sampleButtons(this.info.samples, sample => this.takeSample(sample))),
                make("p", { className: "note" }, "Or drop a picture here, or paste one. It stays on this device: this page sends nothing."),
                make("div", { className: "state" }, this.status, this.running, this.checked)),
            make("section", { id: "result", "aria-label": "Result", hidden: true },
                make("div", { className: "seen" }, ...seen), make("div", { className: "controls" }, ...controls)));
        addEventListener("hashchange", () => location.reload()); // a link to other settings was followed
        document.ondragover = event => event.preventDefault();
        document.ondrop = event => {
            event.preventDefault();
            this.#received(event.dataTransfer);
        };
        document.onpaste = event => this.#received(event.clipboardData);
        this.say("Choose a picture: the model is loaded with the first one.");
        const sample = this.info.samples.find(each => each.name === settings.get("sample"));
        if (sample) await this.takeSample(sample);
    }

    #received(transfer) {
        const files = [...(transfer?.files ?? [])].slice(0, this.bitmaps.length);
        const first = files.length < this.bitmaps.length ? Math.max(this.bitmaps.indexOf(null), 0) : 0;
        if (!files.length) this.say("That was no picture.", true);
        files.reduce((before, file, i) => before.then(() => this.take(file, file.name || "picture", first + i)), Promise.resolve());
    }

    async take(blob, name, slot) {
        try {
            this.#put(await decode(blob, name, this.view.largest), name, slot);
            settings.set({ sample: "" });
            await this.#begin();
        } catch (error) {
            this.say(error.message, true);
        }
    }

    async takeSample(sample) {
        try {
            const found = await Promise.all(sample.files.map(async file => {
                const answer = await fetch(file);
                if (!answer.ok) throw new Error(`The sample could not be loaded: the server answered ${answer.status}.`);
                return decode(await answer.blob(), sample.label, this.view.largest);
            }));
            found.forEach((bitmap, slot) => this.#put(bitmap, sample.files[slot].split("/").at(-1), slot));
            settings.set({ sample: sample.name });
            await this.#begin();
        } catch (error) {
            this.say(error.message, true);
        }
    }

    #put(bitmap, name, slot) {
        this.bitmaps[slot]?.close();
        this.bitmaps[slot] = bitmap;
        this.names[slot] = name;
    }

    /** Shows the pictures; where none is missing, computes. */
    async #begin() {
        const missing = this.bitmaps.indexOf(null);
        if (missing >= 0) return this.say(`${this.names.filter(Boolean).join(", ")} is here. Still missing: ${this.view.slots[missing].toLowerCase()}.`);
        document.querySelector("#result").hidden = false;
        this.key = `${++this.#asked}`;
        this.view.show(this.bitmaps);
        await this.view.compute();
    }

    /** Asks the worker for a result; null where it failed or was stopped, which the page then says. */
    async ask(options, method) {
        const own = ++this.#asked, begun = performance.now();
        this.#busy(true);
        this.say("Working");
        try {
            const found = await this.work.ask(this.bitmaps, options, method);
            if (own === this.#asked) this.say(`Done in ${((performance.now() - begun) / 1000).toFixed(2)} s.`);
            return found;
        } catch (error) {
            if (own === this.#asked) this.say(error instanceof Stopped ? "Stopped." : error.message, !(error instanceof Stopped));
            return null;
        } finally {
            if (own === this.#asked) this.#busy(false);
        }
    }

    #busy(on) {
        this.running.hidden = !on;
        this.bar.removeAttribute("value");
        document.body.dataset.busy = on;
    }

    #hear(told) {
        if (told.kind === "state") this.say(told.text);
        else if (told.kind === "loading") this.#progress(told, `Loading ${told.what}: ${(told.done / 1e6).toFixed(1)} MB`);
        else if (told.kind === "progress") this.#progress(told, told.total > 1 ? `Working: ${told.done} of ${told.total}` : "Working");
        else if (told.kind === "part") this.view.part(told);
        else if (told.kind === "checked") {
            this.checked.textContent = `Answers as published (difference ${(100 * told.difference).toFixed(3)} %).`;
            this.checked.dataset.difference = told.difference;
        }
    }

    #progress({ done, total }, text) {
        if (total > 1) this.bar.value = done / total;
        this.say(text);
    }

    say(text, wrong = false) {
        this.status.textContent = text;
        this.status.className = wrong ? "wrong" : "";
    }
}

try {
    await Promise.race([isolate(), new Promise(resolve => setTimeout(resolve, PATIENCE))]);
    const info = await (await fetch(document.body.dataset.model)).json();
    const absolute = address => new URL(address, document.baseURI).href; // the worker has another base
    info.model = absolute(info.model);
    info.golden.file = absolute(info.golden.file);
    const { View } = await VIEWS[info.kind]();
    await new Page(info, View).open();
} catch (error) {
    document.querySelector("#app").textContent = `This page could not start: ${error.message}`;
}
