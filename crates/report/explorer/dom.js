// Making elements. Texts from the data only ever become text nodes, never markup.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | EventListener>} [properties] Attributes, and listeners by `onclick` and the like.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  setProperties(made, properties);
  append(made, children);
  return made;
}

/**
 * An element of SVG.
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...Child} children
 */
export function drawing(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setProperties(made, attributes);
  append(made, children);
  return made;
}

/**
 * @param {Element} made
 * @param {Record<string, string | boolean | EventListener>} properties
 */
function setProperties(made, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
}

/**
 * @param {Element} parent
 * @param {Child[]} children
 */
function append(parent, children) {
  for (const child of children) if (child) parent.append(child);
}

/**
 * A select with its label.
 * @param {string} label
 * @param {[string, string][]} options Value and text.
 * @param {(value: string) => void} choose
 * @returns {{ field: HTMLElement, select: HTMLSelectElement }}
 */
export function labelledSelect(label, options, choose) {
  const select = element("select", { onchange: () => choose(select.value) });
  select.append(...options.map(([value, text]) => element("option", { value }, text)));
  return { field: element("label", { class: "field" }, element("span", {}, label), select), select };
}

/**
 * A check box with its label.
 * @param {string} label
 * @param {(isOn: boolean) => void} choose
 * @returns {{ field: HTMLElement, box: HTMLInputElement, words: HTMLElement }}
 */
export function labelledBox(label, choose) {
  const box = element("input", { type: "checkbox", onchange: () => choose(box.checked) });
  const words = element("span", {}, label);
  return { field: element("label", { class: "box" }, box, words), box, words };
}

/**
 * A table that may be wider than the page.
 * @param {string} caption
 * @param {Child[]} headings
 * @param {Child[][]} rows The first of each row is its heading.
 * @param {number[]} [numeric] Columns that are flush right.
 */
export function dataTable(caption, headings, rows, numeric = []) {
  const head = element("tr", {}, ...headings.map((heading) => element("th", { scope: "col" }, heading)));
  const body = rows.map(([first, ...others]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, first),
      ...others.map((cell, place) => element("td", numeric.includes(place + 1) ? { class: "number" } : {}, cell)),
    ),
  );
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body)),
  );
}
