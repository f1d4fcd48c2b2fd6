// Makes elements of a page.

/** An element with properties and children; properties that begin with "aria-" or "data-" become attributes. */
export function make(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties))
        if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value);
        else element[key] = value;
    element.append(...children);
    return element;
}

let count = 0;

/** A labelled slider: {row, input}. `told` makes the text beside it from the value. */
export function slider(label, { min = 0, max = 1, step = 0.01, value }, told, change) {
    const id = `slider-${++count}`, output = make("output", { for: id });
    const input = make("input", { id, type: "range", min, max, step, value });
    const show = () => {
        output.textContent = told(Number(input.value));
        input.setAttribute("aria-valuetext", output.textContent);
    };
    input.oninput = () => {
        show();
        change(Number(input.value));
    };
    show();
    return { row: make("div", { className: "row slider" }, make("label", { for: id }, label), output, input), input };
}

/** A labelled choice: {row, input}; options are [value, text]. */
export function choice(label, options, value, change) {
    const id = `choice-${++count}`, input = make("select", { id });
    input.append(...options.map(([each, text]) => make("option", { value: each, selected: each === value }, text)));
    input.onchange = () => change(input.value);
    return { row: make("div", { className: "row" }, make("label", { for: id }, label), input), input };
}

/** A box to tick: {row, input}. */
export function tick(label, checked, change) {
    const input = make("input", { type: "checkbox", checked });
    input.onchange = () => change(input.checked);
    return { row: make("label", { className: "row tick" }, input, label), input };
}

/** One of several, as radio buttons. */
export function radios(legend, options, value, change) {
    const name = `radio-${++count}`;
    const items = options.map(([each, text]) => {
        const input = make("input", { type: "radio", name, value: each, checked: each === value });
        input.onchange = () => change(each);
        return make("label", { className: "tick" }, input, text);
    });
    return make("fieldset", { className: "radios" }, make("legend", {}, legend), ...items);
}

export function button(text, click, properties = {}) {
    return make("button", { type: "button", onclick: click, ...properties }, text);
}

/** Tells an element the shape of its picture, so that the picture fits on the screen. */
export function fit(element, { width, height }) {
    element.style.setProperty("--aspect", width / height);
}

/** A canvas with a description for those who do not see it. */
export function canvas(label, className = "") {
    return make("canvas", { className, role: "img", "aria-label": label, width: 1, height: 1 });
}

/** Offers a file for download. */
export function save(blob, name) {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A canvas as a PNG file. */
export function saveCanvas(drawn, name) {
    drawn.toBlob(blob => save(blob, name), "image/png");
}

export const percent = value => `${Math.round(100 * value)} %`;
