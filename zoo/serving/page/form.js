// The pictures and options of a job, as a form made from what the server says of the model.

import { button, choice, make, percent, slider } from "../page/elements.js";

/** A place for a file: {name, label, optional, file, element, take(file)}.
 *
 * `optional` says what a file is for that may be missing; `changed` is called when there is another file. */
export function slot(name, label, optional, suffixes, changed) {
    const text = `Choose ${label}`;
    const input = make("input", { type: "file", accept: suffixes.join(","), className: "hidden", "aria-label": text });
    const shown = make("span", { className: "note" }, optional);
    const element = make("div", { className: "given" }, button(text, () => input.click()), input, shown);
    const own = { name, label, optional, file: null, element };
    let address = "";
    own.take = file => {
        URL.revokeObjectURL(address);
        own.file = file;
        address = URL.createObjectURL(file);
        const moving = /^video\//.test(file.type), small = /^image\//.test(file.type) && file.size < 30e6;
        const picture = moving ? make("video", { src: address, muted: true, preload: "metadata" }) : make("img", { src: address, alt: "" });
        picture.onerror = () => picture.remove(); // a format that only the server reads
        shown.replaceChildren(`${file.name}, ${(file.size / 1e6).toFixed(1)} MB`);
        own.element.querySelector("img, video")?.remove();
        if (moving || small) own.element.append(picture);
        changed(own);
    };
    input.onchange = () => {
        if (input.files[0]) own.take(input.files[0]);
        input.value = ""; // so that the same file can be chosen again
    };
    return own;
}

/** The options: {element, values(), check()}. */
export function options(fields) {
    const made = fields.map(field => {
        const input = control(field), more = field.kind === "blend" ? blend(field, input) : null;
        const note = make("p", { className: "note", id: `about-${field.name}` }, `${field.help}.`);
        input.setAttribute("aria-describedby", note.id);
        const title = field.name.replaceAll("-", " ");
        const row = field.kind === "tick"
            ? make("label", { className: "row tick" }, input, title)
            : make("div", { className: "row" }, make("label", { for: input.id }, title), input, suggestions(field));
        const element = make("div", { className: "option" }, row, ...(more?.rows ?? []), note);
        return { name: field.name, input, element, value: more?.value ?? (() => value(field, input)) };
    });
    const element = fields.length ? make("details", {}, make("summary", {}, "Options"), ...made.map(each => each.element)) : "";
    return {
        element,
        values: () => Object.fromEntries(made.map(each => [each.name, each.value()])),
        check: () => made.every(each => each.input.reportValidity()),
    };
}

/** A second choice beside the first, and its share: {rows, value()}. */
function blend(field, first) {
    const share = slider("share of the second", { value: 0.5 }, percent, () => {});
    const named = field.choices.map(each => [each, each.replaceAll("_", " ")]);
    const second = choice("blend with", [["", "none"], ...named], "", value => (share.row.hidden = !value));
    share.row.hidden = true;
    const value = () => {
        const other = second.input.value, part = Number(share.input.value);
        return !other || other === first.value ? first.value : { [first.value]: 1 - part, [other]: part };
    };
    return { rows: [second.row, share.row], value };
}

function control(field) {
    const id = `option-${field.name}`;
    if (field.kind === "tick") return make("input", { id, type: "checkbox" });
    if (field.kind === "choice" || field.kind === "blend") {
        const input = make("select", { id });
        if (!field.choices.includes(field.default)) input.append(make("option", { value: "" }, "default"));
        input.append(...field.choices.map(each => make("option", { value: each, selected: each === field.default }, each.replaceAll("_", " "))));
        return input;
    }
    const input = make("input", { id, type: field.kind, placeholder: field.default || "default", maxLength: 200 });
    if (field.kind === "number") {
        input.step = field.whole ? "1" : "any";
        if (field.low !== null) input.min = field.low;
        if (field.high !== null) input.max = field.high;
    } else if (field.choices.length) input.setAttribute("list", `${id}-words`);
    return input;
}

function suggestions(field) {
    if (field.kind !== "text" || !field.choices.length) return "";
    return make("datalist", { id: `option-${field.name}-words` }, ...field.choices.map(each => make("option", { value: each })));
}

function value(field, input) {
    if (field.kind === "tick") return input.checked;
    if (field.kind === "number") return input.value === "" ? "" : Number(input.value);
    return input.value;
}
