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

// Replaces what a container shows once what it is made from has changed; not under a finger that
// presses it, nor what somebody has selected in it. The focus stays on what has the same data-key.
const shown = new WeakMap();
let pressed = false;
addEventListener("pointerdown", () => (pressed = true), true);
for (const end of ["pointerup", "pointercancel"]) {
  // The click that follows finds what was pressed.
  addEventListener(end, () => setTimeout(() => (pressed = false)), true);
}

export function show(container, madeFrom, build) {
  const key = JSON.stringify(madeFrom);
  if (shown.get(container) === key || isInUse(container)) return;
  shown.set(container, key);
  const focused = container.contains(document.activeElement) && document.activeElement.dataset.key;
  container.replaceChildren(...[build()].flat().filter(Boolean));
  if (focused) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function isInUse(container) {
  const selection = getSelection();
  return pressed || (!selection.isCollapsed && container.contains(selection.anchorNode));
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
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          head.map(([title], column) => cell("th")(title, column)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, row.map(cell("td")))),
      ),
    ),
  );
}

export const empty = (sentence) => h("p", { class: "empty" }, sentence);
