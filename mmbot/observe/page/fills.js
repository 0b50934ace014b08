// Fills of an event, the latest first, with what fair value made of them later.

import { byId, empty, h, show, table } from "./dom.js";
import { count, moment, price, signedCents, strike } from "./format.js";

const HORIZONS = ["1s", "1min", "1h", "release"];
const HEAD = [
  ["when", ""],
  ["market", ""],
  ["bought", ""],
  ["price", "right"],
  ["count", "right"],
  ["fair", "right wide"],
  ["edge", "right"],
  ["1 s", "right wide"],
  ["1\u00a0min", "right"],
  ["1 h", "right wide"],
  ["next day", "right wide"],
];
const MOST = 40;

export function showFills({ course, event, calendarOf, noEvent }) {
  const fills = course?.fills ?? [];
  const latest = fills.slice(-MOST).reverse();
  const times = latest.map((fill) => moment(calendarOf(fill.at)));
  show(byId("fills"), [latest, times, course?.fills_left_out, event ? "" : noEvent], () => {
    if (!fills.length) return empty(event ? "No order of this week has been filled yet." : noEvent);
    const more = course.fills_left_out + fills.length - latest.length;
    return [
      table(
        HEAD,
        latest.map((fill, index) => row(fill, times[index])),
        "Fills",
      ),
      more ? h("p", { class: "note" }, `${more} earlier ones: mmbot fills`) : null,
    ];
  });
}

function row(fill, time) {
  const edge = (fair) =>
    fair == null ? null : (fair - fill.price) * (fill.side === "bid" ? 100 : -100);
  const marked = HORIZONS.map((horizon) => cents(edge(fill.markouts[horizon]?.fair)));
  return [
    time,
    strike(fill.market),
    h("span", { class: fill.side }, fill.side === "bid" ? "YES" : "NO"),
    price(fill.side === "bid" ? fill.price : 1 - fill.price),
    [
      count(fill.count),
      fill.confirmed
        ? ""
        : h("span", { class: "size", title: "not listed by the account yet" }, " ?"),
    ],
    fill.fair === null ? "" : ((fill.side === "bid" ? fill.fair : 1 - fill.fair) * 100).toFixed(1),
    cents(edge(fill.fair)),
    ...marked,
  ];
}

const cents = (value) =>
  value === null
    ? ""
    : h(
        "span",
        { class: value >= 0.05 ? "good" : value <= -0.05 ? "bad" : "" },
        signedCents(value),
      );
