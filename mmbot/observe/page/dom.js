// Building and changing the page without ever parsing markup: every text is a text.

export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const h = (tag, properties = {}, ...children) =>
  filled(document.createElement(tag), properties, children);

export const s = (tag, properties = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), properties, children);

// Replaces what a container shows, but only once what it is made from has changed: a selection, the
// focus and an open row survive as long as nothing new is to be shown.
const shown = new WeakMap();

export function show(container, made_from, build) {
  const key = JSON.stringify(made_from);
  if (shown.get(container) === key) return false;
  shown.set(container, key);
  container.replaceChildren(...[build()].flat().filter(Boolean));
  return true;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

// A table: a head of [title, class] and rows of cells, each a text or a node.
export function table(head, rows, label) {
  const cell = (tag) => (content, column) => h(tag, { class: head[column][1] }, content);
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "num", "aria-label": label },
      h("thead", {}, h("tr", {}, head.map(([title], column) => cell("th")(title, column)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td"))))),
    ),
  );
}

export const empty = (sentence) => h("p", { class: "empty" }, sentence);
