// The page of a model on the server: takes files and options, and shows the job until its results are here.

import { button, make } from "../page/elements.js";
import * as settings from "../page/settings.js";
import { options, slot } from "./form.js";
import { begin, hear, place, stop } from "./server.js";

const SHOWN = 20e6; // bytes of the largest picture that is shown, not only offered
const DOING = { Parts: "step", Frames: "frame", Predicting: "picture", Pairs: "pair" };

class Page {
    #id = "";
    #end = () => {};
    #abort = null;

    constructor(info) {
        this.info = info;
        const { picture, video } = info.suffixes;
        const changed = () => this.#given();
        this.slots = info.inputs.map((name, i) => {
            const moving = info.video && i === 0;
            return slot(name, moving ? `${name} or video` : name, "", moving ? [...picture, ...video] : picture, changed);
        });
        for (const [name, told] of Object.entries(info.pictures))
            this.slots.push(slot(name, name, info.needed.includes(name) ? "" : `optional: ${told}`, picture, changed));
        this.options = options(info.fields);
    }

    open() {
        this.status = make("p", { role: "status" });
        this.bar = make("progress", { "aria-label": "progress", max: 1, value: 0 });
        this.start = button("Start", () => this.#start(), { className: "main", disabled: true });
        this.stop = button("Stop", () => this.#stop());
        this.running = make("div", { className: "row running", hidden: true }, this.bar, this.stop);
        this.preview = make("div", { id: "preview" });
        this.results = make("section", { id: "results", className: "card", "aria-label": "Results", hidden: true });
        const files = make("section", { className: "card", "aria-label": "Files" }, ...this.slots.map(each => each.element),
            make("p", { className: "note" }, "Or drop files here, or paste one. They go to the server, which computes the result."),
            this.options.element, make("div", { className: "row" }, this.start));
        document.querySelector("#app").replaceChildren(files,
            make("section", { className: "card", "aria-label": "State" }, this.status, this.running, this.preview), this.results);
        document.ondragover = event => event.preventDefault();
        document.ondrop = event => {
            event.preventDefault();
            this.#received(event.dataTransfer);
        };
        document.onpaste = event => this.#received(event.clipboardData);
        this.#given();
        if (settings.get("job")) this.#follow(settings.get("job"));
    }

    #received(transfer) {
        const files = [...(transfer?.files ?? [])];
        if (!files.length) return;
        for (const file of files) (this.slots.find(each => !each.file) ?? this.slots[0]).take(file);
    }

    /** Says what is missing, or that the job may start. */
    #given() {
        const large = this.slots.find(each => each.file?.size > this.info.limits.upload);
        const missing = this.slots.filter(each => !each.optional && !each.file).map(each => each.label);
        this.start.disabled = Boolean(large || missing.length || this.#busy);
        if (this.#busy) return;
        if (large) this.say(`${large.file.name} has ${(large.file.size / 1e6).toFixed(0)} MB, and this server takes up to ${this.info.limits.upload / 1e6} MB.`, true);
        else this.say(missing.length ? `Still to choose: ${missing.join(" and ")}.` : "Ready to start.");
    }

    get #busy() {
        return document.body.dataset.busy === "true";
    }

    async #start() {
        if (!this.options.check()) return;
        this.#clear();
        this.#work(true);
        this.#abort = new AbortController();
        const files = Object.fromEntries(this.slots.filter(each => each.file).map(each => [each.name, each.file]));
        try {
            const sent = part => this.#progress(part, part < 1 ? `Sending: ${Math.round(100 * part)} %` : "Sent");
            const id = await begin(this.info.name, this.options.values(), files, sent, this.#abort.signal);
            settings.set({ job: id });
            this.#follow(id);
        } catch (error) {
            const stopped = error.name === "AbortError";
            this.#over(stopped ? "Stopped." : error.message, !stopped);
        }
    }

    #follow(id) {
        this.#id = id;
        this.#work(true);
        this.#end = hear(id, state => this.#heard(state), () => {
            settings.set({ job: "" });
            this.#over("This job is gone: it was stopped, or its results have expired.", true);
        }, () => this.say("The server does not answer. This page tries again.", true));
    }

    #heard(state) {
        if (state.preview) this.#show(state);
        if (state.state === "waiting") this.#progress(null, state.place > 1 ? `Waiting: place ${state.place} in the queue` : "Waiting: next in the queue");
        else if (state.state === "working") this.#progress(state.total > 1 ? state.done / state.total : null, doing(state));
        else if (state.state === "done") this.#done(state);
        else if (state.state === "failed") this.#over(sentence(state.text), true);
        else if (state.state === "stopped") this.#over("Stopped.");
    }

    #show({ id, preview }) {
        const address = `${place(id, "preview")}?number=${preview}`, shown = this.preview.querySelector("img");
        if (shown) shown.src = address;
        else this.preview.replaceChildren(make("img", { src: address, alt: "the result so far" }));
        this.preview.dataset.number = preview;
    }

    #done(state) {
        this.#over(`Done in ${state.seconds.toFixed(1)} s.`);
        this.preview.replaceChildren();
        const stem = Object.values(state.files)[0].replace(/\.[^.]*$/, ""), own = Object.keys(state.files)[0];
        const beside = ([name]) => /_(compare|strip)\.png$/.test(name); // the result itself comes first
        const items = Object.entries(state.results).sort((a, b) => beside(a) - beside(b)).map(([name, bytes]) => {
            const address = place(state.id, "results", name), called = name.startsWith(own) ? stem + name.slice(own.length) : name;
            const link = make("a", { href: address, download: called }, `${called} (${(bytes / 1e6).toFixed(1)} MB)`);
            const shown = name.endsWith(".mp4") ? make("video", { src: address, controls: true })
                : name.endsWith(".png") && bytes < SHOWN ? make("img", { src: address, alt: called }) : "";
            return make("figure", {}, shown, make("figcaption", {}, link));
        });
        const notes = state.notes.map(note => make("p", { className: "note" }, sentence(note)));
        const away = button("Delete from the server", () => this.#stop());
        this.results.replaceChildren(...items, ...notes, make("div", { className: "row" }, away));
        this.results.hidden = false;
    }

    async #stop() {
        this.#abort?.abort();
        this.#end();
        const id = this.#id;
        settings.set({ job: "" });
        this.#clear();
        this.#over("Stopped.");
        if (id) await stop(id).then(() => this.say("Stopped, and deleted from the server."), error => this.say(error.message, true));
    }

    #clear() {
        this.#id = "";
        this.preview.replaceChildren();
        this.results.replaceChildren();
        this.results.hidden = true;
    }

    #over(text, wrong = false) {
        this.#work(false);
        this.#given();
        this.say(text, wrong);
    }

    #work(on) {
        document.body.dataset.busy = on;
        this.running.hidden = !on;
        this.start.disabled = on;
        if (on) this.bar.removeAttribute("value");
    }

    #progress(part, text) {
        if (part === null) this.bar.removeAttribute("value");
        else this.bar.value = part;
        this.say(text);
    }

    say(text, wrong = false) {
        if (this.status.textContent !== text) this.status.textContent = text;
        this.status.className = wrong ? "wrong" : "";
    }
}

function doing({ doing, done, total }) {
    if (doing === "Predicting" && total === 1 && done) return "Working: the result is being written";
    if (!doing || (doing === "Predicting" && total <= 1)) return "Working: the model is being loaded";
    const what = DOING[doing] ?? doing.toLowerCase();
    return total ? `Working: ${what} ${done} of ${total}` : `Working: ${what} ${done}`;
}

const sentence = text => (/[.!?]$/.test(text) ? text : `${text}.`);

try {
    await new Page(await (await fetch(document.body.dataset.model)).json()).open();
} catch (error) {
    document.querySelector("#app").textContent = `This page could not start: ${error.message}`;
}
