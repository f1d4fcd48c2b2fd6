// Settings of a page live in its address, after the #, so that a link shows the same.

/** The value of a setting, as a text. */
export function get(name, otherwise = "") {
    return new URLSearchParams(location.hash.slice(1)).get(name) ?? otherwise;
}

/** A setting as a number between bounds; `otherwise` where it is none. */
export function number(name, otherwise, low, high) {
    const text = get(name), value = Number(text);
    return text === "" || !Number.isFinite(value) ? otherwise : Math.min(Math.max(value, low), high);
}

/** A setting of so many numbers with _ between them, or null. */
export function numbers(name, count) {
    const found = get(name).split("_").map(Number);
    return get(name) && found.length === count && found.every(Number.isFinite) ? found : null;
}

/** Changes settings; an empty text removes one. */
export function set(values) {
    const all = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of Object.entries(values)) value === "" ? all.delete(name) : all.set(name, value);
    history.replaceState(null, "", `${location.pathname}${location.search}${all.size ? `#${all}` : ""}`);
}
