// The last lines of the log, the latest first.

import { byId, empty, h, show } from "./dom.js";
import { timeOf } from "./format.js";

const MOST_KEPT = 500;
const MOST_SHOWN = 120;
const OWN = new Set(["event", "level", "timestamp"]);
const BEATS = new Set(["heartbeat", "market.status"]);

const lines = [];

export function addLines(more) {
  const last = lines.at(-1)?.number ?? 0;
  // After a restart of the daemon its lines are counted anew.
  if (more.length && more.at(-1).number < last) lines.length = 0;
  lines.push(...more.filter((each) => each.number > (lines.at(-1)?.number ?? 0)));
  lines.splice(0, Math.max(0, lines.length - MOST_KEPT));
  return lines;
}

export function startLog() {
  byId("log-filter").addEventListener("input", showLog);
  byId("log-beats").addEventListener("change", showLog);
}

export function showLog() {
  const wanted = byId("log-filter").value.trim().toLowerCase();
  const beats = byId("log-beats").checked;
  const found = lines
    .filter(({ fields }) => beats || !BEATS.has(fields.event))
    .filter(({ fields }) => !wanted || JSON.stringify(fields).toLowerCase().includes(wanted))
    .slice(-MOST_SHOWN)
    .reverse();
  show(byId("log"), [wanted, found.map((each) => each.number)], () =>
    found.length ? found.map(line) : h("li", {}, empty(whyNone(wanted))),
  );
}

const whyNone = (wanted) =>
  wanted ? "No line of the last ones has that." : "Nothing was logged while anybody could look.";

function line({ fields }) {
  const rest = Object.entries(fields).filter(([name, value]) => !OWN.has(name) && value !== "");
  return h(
    "li",
    { class: fields.level },
    h("time", {}, timeOf(Date.parse(fields.timestamp))),
    h("b", {}, fields.event),
    h(
      "span",
      {},
      rest.flatMap(([name, value]) => [h("i", {}, `${name}=`), `${value} `]),
    ),
  );
}
