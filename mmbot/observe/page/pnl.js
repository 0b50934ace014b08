// P&L of an event over its week, at fair value and at worst, with its fills.

import { axis, draw, key, line } from "./charts.js";
import { byId, show } from "./dom.js";
import { moment, signed } from "./format.js";
import { colour } from "./theme.js";
import { moneyTick, padded } from "./week.js";

const HEIGHT = 220;

export function showPnl({ event, course, calendarOf, at, noEvent }) {
  const points = course?.pnl ?? [];
  // The present is drawn once a minute: a chart that moves every second shows nothing more.
  const now = Math.floor(at / 60_000) * 60_000;
  const last = points.length ? [{ at: null, fair: event.pnl_fair, worst: event.pnl_worst }] : [];
  const rows = [...points, ...last];
  const times = rows.map((row) => (row.at === null ? now : calendarOf(row.at)) / 1000);
  const ordered = times.map((time, index) => Math.max(time, times[index - 1] ?? time));
  const figure = (value) => (value === null ? null : Number(value));
  const fair = rows.map((row) => figure(row.fair));
  const worst = rows.map((row) => figure(row.worst));
  const filled = new Set((course?.fills ?? []).map((fill) => fill.at));
  const marks = rows.map((row, index) => (filled.has(row.at) ? fair[index] : null));
  const why = points.length ? "" : event ? "No order of this week has been filled yet." : noEvent;
  const entries = [
    ["fair", "at fair value"],
    ["worst", "at worst"],
    ["dot", "fill"],
  ];
  show(byId("pnl-key"), why, () => (why ? [] : key(entries)));
  draw(
    byId("pnl"),
    [ordered, fair, worst, marks],
    HEIGHT,
    options,
    (index) =>
      `${moment(ordered[index] * 1000)}: ${signed(fair[index])}, ${signed(worst[index])} at worst`,
    why,
  );
}

function options() {
  const stepped = window.uPlot.paths.stepped({ align: 1 });
  return {
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "America/New_York"),
    scales: { y: { range: (_plot, low, high) => padded(low, high) } },
    axes: [
      axis({ space: 70, size: 38, values: labels }),
      axis({ values: (_plot, splits) => splits.map(moneyTick), size: 48 }),
    ],
    series: [
      {},
      { stroke: colour("accent"), width: 2, points: { show: false } },
      {
        paths: stepped,
        stroke: colour("bad", 0.8),
        width: 1.25,
        dash: [4, 3],
        points: { show: false },
      },
      {
        paths: () => null,
        points: { show: true, size: 7, stroke: colour("accent"), fill: colour("accent"), width: 0 },
      },
    ],
    plugins: [{ hooks: { draw: line("y", 0, colour("muted")) } }],
  };
}

// The day where it changes, and the time of day below it.
function labels(_plot, splits) {
  let day = "";
  return splits.map((split) => {
    const [name, time] = moment(split * 1000).split(" ");
    const text = name === day ? time : `${time}\n${name}`;
    day = name;
    return text;
  });
}
