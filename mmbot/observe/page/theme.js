// Colours: the system's, or those chosen here; and what charts are drawn with.

import { byId } from "./dom.js";

const KEY = "mmbot.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const LABEL = { auto: "Auto", light: "Light", dark: "Dark" };

const stored = () => localStorage.getItem(KEY);
const chosen = () => (stored() in NEXT ? stored() : "auto");

function apply() {
  document.documentElement.dataset.theme = chosen();
  const button = byId("theme");
  button.textContent = `\u25D0 ${LABEL[chosen()]}`;
  button.title = `Colours: ${LABEL[chosen()].toLowerCase()}. Click for the next.`;
}

export function startTheme(changed) {
  apply();
  byId("theme").addEventListener("click", () => {
    localStorage.setItem(KEY, NEXT[chosen()]);
    apply();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

// A colour of the style sheet, as a canvas takes it.
export function colour(name, opacity = 1) {
  const probe = byId("state");
  const before = probe.style.color;
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = before;
  const [red, green, blue] = found.match(/[\d.]+/g);
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}
