// The markets of an event: fair values against the book and own quotes, and why not quoted.

import { askToPause, askToUnpause } from "./control.js";
import { byId, empty, h, s, show } from "./dom.js";
import { count, estimate, price, signed, signedCount, strike, tone, words } from "./format.js";

// Fair values between which a market is worth a row although nothing is quoted there.
const LEAST_FAIR = 0.03;
const HEAD = [
  ["strike", ""],
  ["fair", "right"],
  ["forecast", "right wide"],
  ["mid", "right wide"],
  ["", "strip wide"],
  ["bid", "right"],
  ["ask", "right"],
  ["own bid", "right"],
  ["own ask", "right"],
  ["held", "right"],
  ["P&L", "right wide"],
];
const open = new Set();
let all = false;

export function startLadder(changed) {
  const button = byId("all-markets");
  button.addEventListener("click", () => {
    all = !all;
    button.setAttribute("aria-pressed", String(all));
    button.textContent = all ? "Fewer markets" : "All markets";
    changed();
  });
}

export function showLadder({ event, noEvent }) {
  const markets = event?.markets ?? [];
  const rows = all ? markets : markets.filter(matters);
  byId("all-markets").hidden = markets.length === 0;
  // Ages would change it every second; they are told in an open row only.
  const made = rows.map((market) => [{ ...market, book_age_ms: null }, open.has(market.market)]);
  show(byId("ladder"), [made, event ? "" : noEvent], () => (event ? ladder(rows) : empty(noEvent)));
  showGates(markets);
}

function matters(market) {
  const open = market.fair !== null && Math.min(market.fair, 1 - market.fair) >= LEAST_FAIR;
  return market.quotes.length > 0 || traded(market) || market.paused || (open && !market.settled);
}

function ladder(rows) {
  if (!rows.length) {
    return empty("No market of this week is quoted: the reasons are below. All markets can be shown.");
  }
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "num ladder", "aria-label": "Markets" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          HEAD.map(([title, style]) => h("th", { class: style }, title)),
        ),
      ),
      h("tbody", {}, rows.flatMap(market)),
    ),
  );
}

function market(each) {
  const isOpen = open.has(each.market);
  const cells = [
    opener(each, isOpen),
    estimate(each.fair),
    estimate(each.belief),
    estimate(each.mid),
    strip(each),
    level(each.book_bid),
    level(each.book_ask),
    own(each, "bid"),
    own(each, "ask"),
    signedCount(each.position),
    h("span", { class: tone(each.pnl_fair) }, traded(each) ? signed(each.pnl_fair) : ""),
  ];
  const row = h(
    "tr",
    { class: rowClass(each), onclick: () => toggle(each) },
    cells.map((cell, column) => h("td", { class: HEAD[column][1] }, cell)),
  );
  return isOpen ? [row, detail(each)] : [row];
}

const opener = (each, isOpen) =>
  h(
    "button",
    {
      class: "row-button",
      type: "button",
      "aria-expanded": String(isOpen),
      "data-key": each.market,
    },
    strike(each.market),
  );

const traded = (each) => Number(each.position) !== 0 || Number(each.cash) !== 0;
const rowClass = (each) =>
  each.paused ? "market paused" : each.quotes.length ? "market" : "market unquoted";

let redraw = () => {};
export const onToggle = (changed) => (redraw = changed);

function toggle(each) {
  if (getSelection().toString()) return;
  if (!open.delete(each.market)) open.add(each.market);
  redraw();
}

function level(found) {
  if (!found) return "";
  return [price(found.price), h("span", { class: "size" }, `×${count(found.count)}`)];
}

function own(each, side) {
  const orders = each.quotes.filter((order) => order.side === side && Number(order.count));
  return orders.map((order) =>
    h(
      "span",
      { class: `own ${side} ${order.state}`, title: words(order.state) },
      price(order.price),
      h("span", { class: "size" }, `×${count(order.count)}`),
    ),
  );
}

// From 0 to 100 cents: the book's gap, own quotes and fair value.
function strip(each) {
  const x = (dollars) => Number(dollars) * 100;
  const bid = each.book_bid ? x(each.book_bid.price) : 0;
  const ask = each.book_ask ? x(each.book_ask.price) : 100;
  const label = each.fair === null ? "no fair value" : `fair ${estimate(each.fair)}`;
  return s(
    "svg",
    { viewBox: "0 0 100 14", preserveAspectRatio: "none", role: "img", "aria-label": label },
    s("rect", { class: "rail", x: 0, y: 6, width: 100, height: 2 }),
    s("rect", { class: "gap", x: bid, y: 4, width: Math.max(0.6, ask - bid), height: 6 }),
    each.quotes.map((order) =>
      s("rect", {
        class: `tick ${order.side}`,
        x: x(order.price) - 0.5,
        y: 1,
        width: 1,
        height: 12,
      }),
    ),
    each.fair === null
      ? null
      : s("rect", { class: "fair", x: x(each.fair) - 0.35, y: 0, width: 0.7, height: 14 }),
  );
}

function detail(each) {
  const pairs = [
    ["forecast", estimate(each.belief) || "–"],
    ["mid", estimate(each.mid) || "–"],
    ["worth to the holder", estimate(each.reservation) || "–"],
    ["held", signedCount(each.position) || "nothing"],
    ["may still be held", count(each.position_left)],
    ["P&L at fair", traded(each) ? signed(each.pnl_fair) : "–"],
    ["if it pays nothing", traded(each) ? signed(each.pnl_worst) : "–"],
    ...(each.result === null ? [] : [["YES pays", price(each.result)]]),
  ];
  return h(
    "tr",
    { class: "detail" },
    h(
      "td",
      { colspan: HEAD.length },
      h("p", {}, each.gate ? gateText(each.gate) : "Nothing keeps it from being quoted."),
      h(
        "dl",
        { class: "pairs" },
        pairs.flatMap(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
      ),
      each.settled ? null : pauseButton(each),
    ),
  );
}

function pauseButton({ market: ticker, paused }) {
  const [style, ask, text] = paused
    ? ["go", askToUnpause, "End the pause"]
    : ["stop", askToPause, "Pause"];
  const onclick = () => ask(ticker);
  return h(
    "button",
    { class: style, type: "button", "data-key": `pause ${ticker}`, onclick },
    text,
  );
}

// Gates: each once, with its markets.

function showGates(markets) {
  const shut = new Map();
  markets.forEach((each, index) => {
    if (!each.gate) return;
    const name = JSON.stringify(each.gate);
    if (!shut.has(name)) shut.set(name, { gate: each.gate, indices: [] });
    shut.get(name).indices.push(index);
  });
  const found = [...shut.values()].map(({ gate, indices }) => [
    runs(indices, markets),
    gateText(gate),
  ]);
  show(byId("gates"), found, () =>
    found.length
      ? [
          h("h3", {}, "Why others are not quoted"),
          h(
            "dl",
            {},
            found.flatMap(([where, why]) => [h("dt", { class: "num" }, where), h("dd", {}, why)]),
          ),
        ]
      : null,
  );
}

const gateText = ({ gate, meaning, detail: what }) =>
  `${words(gate)}${what ? ` (${what})` : ""}: ${meaning}`;

// Neighbouring markets as ranges: 1.80–2.45, 2.70.
function runs(indices, markets) {
  const found = [];
  for (const index of indices) {
    const last = found.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else found.push([index, index]);
  }
  const name = (index) => strike(markets[index].market);
  return found
    .map(([from, to]) => (from === to ? name(from) : `${name(from)}–${name(to)}`))
    .join(", ");
}
