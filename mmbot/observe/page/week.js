// One event: its days, the forecast's distribution as it became narrower, P&L in each outcome.

import { axis, draw, key, line } from "./charts.js";
import { byId, h, setText, show, table } from "./dom.js";
import { amount, amountInFull, dayName, moment, percent, signed, weekday, whole } from "./format.js";
import { colour } from "./theme.js";

const HEIGHT = 190;
const LEAST_SHOWN = 0.001;

export function showWeek({ event, course, calendarOf, noEvent }) {
  setText(byId("week-title"), event ? `Week to ${dayName(event.week)}` : "The week");
  setText(byId("week-figures"), event ? figures(event) : "");
  showDays(event, calendarOf);
  showMembers(event?.forecast);
  const cells = event ? shownCells(event) : [];
  showDistribution(event, course, cells, noEvent);
  showWealth(event, cells, noEvent);
}

function figures({ forecast, margin }) {
  if (!forecast) return "no forecast yet";
  const spread = `${whole(forecast.mean)} ± ${whole(forecast.sd)}`;
  return margin === null ? spread : `${spread}, margin ${percent(margin)}`;
}

function showDays(event, calendarOf) {
  const days = (event?.days ?? []).map((day) => [
    day.state,
    weekday(day.day),
    day.count === null ? "–" : amount(day.count),
    dayNote(day, calendarOf),
  ]);
  show(byId("days"), days, () =>
    days.map(([state, name, figure, note]) =>
      h(
        "li",
        { class: state },
        h("span", { class: "name" }, name),
        h("strong", {}, figure),
        h("span", { class: "note" }, note),
      ),
    ),
  );
}

function dayNote(day, calendarOf) {
  if (day.state === "published") return whole(day.count);
  if (day.state === "none") return "not waited for";
  return day.state === "due" ? "due now" : moment(calendarOf(day.release));
}

function showMembers(forecast) {
  const members = forecast?.members ?? [];
  show(byId("members"), members, () =>
    members.length > 1
      ? h(
          "details",
          {},
          h("summary", {}, `The ${members.length} methods of the forecast`),
          table(
            [
              ["method", ""],
              ["weight", "right"],
              ["mean", "right"],
              ["± sd", "right"],
            ],
            members.map((m) => [m.method, percent(m.weight), whole(m.mean), whole(m.sd)]),
            "Methods of the forecast",
          ),
        )
      : null,
  );
}

// The outcomes that matter: likely, or of another P&L than the likely ones beside them.

function shownCells(event) {
  const cells = event.outcomes.map((outcome, index) => ({ ...outcome, index }));
  const matters = cells.filter((cell) => (cell.probability ?? 1) >= LEAST_SHOWN);
  if (!matters.length) return placed(cells);
  const first = Math.max(0, matters[0].index - 1);
  return placed(cells.slice(first, matters.at(-1).index + 2));
}

// Gives each outcome the middle of its place on the axis; without a next strike it is a guess.
function placed(cells) {
  const inner = cells.find((cell) => cell.above !== null && cell.up_to !== null);
  const lowest = cells.find((cell) => cell.up_to !== null);
  const width = inner ? inner.up_to - inner.above : (lowest?.up_to ?? 0) / 50;
  return cells.map((cell) => {
    const middle = cell.above === null ? cell.up_to - width / 2 : cell.above + width / 2;
    return { ...cell, middle, width };
  });
}

// Steps go on to the end of the last outcome, so there is a place after it, which has no bar.
const placesOf = (cells) => {
  const last = cells.at(-1);
  return last ? [...cells.map((cell) => cell.middle), last.middle + last.width] : [];
};
const bars = (values) => [...values, null];
const steps = (values) => [...values, values.at(-1) ?? null];

const named = ({ above, up_to }) =>
  above === null
    ? `up to ${amountInFull(up_to)}`
    : up_to === null
      ? `above ${amountInFull(above)}`
      : `${amount(above)} to ${amountInFull(up_to)}`;

function outcomeAxes(cells) {
  const strikes = cells.map((cell) => cell.up_to).filter((each) => each !== null);
  const range = [
    cells[0].middle - cells[0].width / 2,
    cells.at(-1).middle + cells.at(-1).width / 2,
  ];
  return {
    scales: { x: { time: false, range } },
    x: axis({
      splits: () => strikes,
      values: (plot, splits) =>
        thinned(splits, plot.width).map((v) => (v === null ? "" : amount(v))),
      size: 26,
    }),
  };
}

// Keeps every label, or every second or third, so that they do not touch.
function thinned(splits, width) {
  const step = Math.ceil((splits.length * 42) / width);
  return splits.map((each, index) => (index % step ? null : each));
}

// Distribution

function showDistribution(event, course, cells, noEvent) {
  const before = pastDistributions(event, course, cells);
  const data = [
    placesOf(cells),
    bars(cells.map((cell) => cell.probability)),
    ...before.map((each) => steps(each.shares)),
  ];
  const why = !event
    ? noEvent
    : event.forecast
      ? ""
      : "There is no forecast yet: it is made once the counts have been read.";
  const entries = [["bars", `${event?.days_published ?? 0} published, now`]];
  entries.push(...before.map((each, index) => [`past p${index}`, `${each.days} published`]));
  show(byId("forecast-key"), [entries, why], () => (why ? [] : key(entries)));
  draw(
    byId("distribution"),
    data,
    HEIGHT,
    () => distribution(event, cells, before),
    (index) => cells[index] && `${named(cells[index])}: ${percent(cells[index].probability)}`,
    why,
  );
}

function distribution(event, cells, before) {
  const { scales, x } = outcomeAxes(cells);
  const mean = event.forecast.mean;
  const paths = window.uPlot.paths.bars({ size: [0.86, 120] });
  const stepped = window.uPlot.paths.stepped({ align: 1 });
  return {
    scales: { ...scales, y: { range: (_plot, _low, high) => [0, Math.max(0.1, high * 1.12)] } },
    axes: [
      x,
      axis({ values: (_plot, splits) => splits.map((v) => `${Math.round(v * 100)} %`), size: 44 }),
    ],
    series: [
      {},
      {
        paths,
        fill: colour("accent", 0.82),
        stroke: colour("accent", 0),
        width: 0,
        points: { show: false },
      },
      ...before.map((each, index) => ({
        paths: centred(stepped, cells),
        stroke: colour(`past-${index}`),
        width: 1.5,
        points: { show: false },
      })),
    ],
    plugins: [{ hooks: { draw: line("x", mean, colour("ink", 0.7), [4, 4]) } }],
  };
}

// Steps begin where a cell does, half a cell before its middle.
function centred(stepped, cells) {
  return (plot, series, from, to) => {
    const half =
      plot.valToPos(cells[0].middle + cells[0].width / 2, "x", true) -
      plot.valToPos(cells[0].middle, "x", true);
    const paths = stepped(plot, series, from, to);
    const moved = new Path2D();
    moved.addPath(paths.stroke, new DOMMatrix().translate(-half, 0));
    return { ...paths, stroke: moved, clip: null, fill: null };
  };
}

// What each outcome's probability was with fewer days published, the latest first.
function pastDistributions(event, course, cells) {
  const ticker = new Map((event?.markets ?? []).map((each) => [each.strike, each.market]));
  const past = (course?.forecasts ?? []).filter(
    (each) => each.days_published < (event?.forecast?.days_published ?? 0),
  );
  return past
    .slice(-3)
    .reverse()
    .map((forecast) => {
      const above = (strike, end) =>
        strike === null ? end : (forecast.above[ticker.get(strike)] ?? null);
      return { days: forecast.days_published, shares: cells.map((cell) => share(cell, above)) };
    });
}

function share(cell, above) {
  const low = above(cell.above, 1);
  const high = above(cell.up_to, 0);
  return low === null || high === null ? null : Math.max(0, low - high);
}

// P&L in each outcome

function showWealth(event, cells, noEvent) {
  const held = cells.map((cell) => Number(cell.pnl));
  const filled = cells.map((cell) => Number(cell.pnl_if_filled));
  const data = [
    placesOf(cells),
    bars(held.map((each) => (each >= 0 ? each : null))),
    bars(held.map((each) => (each < 0 ? each : null))),
    steps(filled),
  ];
  const nothing = [...held, ...filled].every((each) => each === 0);
  const why = !event
    ? noEvent
    : nothing
      ? "Nothing is held and no order is out, so every outcome is worth the same: nothing."
      : "";
  const entries = [
    ["good-bar", "gains"],
    ["bad-bar", "loses"],
    ["dashed", "if orders fill against it"],
  ];
  show(byId("wealth-key"), why, () => (why ? [] : key(entries)));
  draw(
    byId("wealth"),
    data,
    HEIGHT,
    () => wealth(cells),
    (index) => cells[index] && outcomeSentence(cells[index]),
    why,
  );
}

const outcomeSentence = (cell) =>
  `${named(cell)}: ${signed(cell.pnl)}, ${signed(cell.pnl_if_filled)} if orders fill against it`;

function wealth(cells) {
  const { scales, x } = outcomeAxes(cells);
  const paths = window.uPlot.paths.bars({ size: [0.86, 120] });
  const stepped = window.uPlot.paths.stepped({ align: 1 });
  const bar = (name) => ({ paths, fill: colour(name, 0.8), width: 0, points: { show: false } });
  return {
    scales: { ...scales, y: { range: (_plot, low, high) => padded(low, high) } },
    axes: [x, axis({ values: (_plot, splits) => splits.map(moneyTick), size: 44 })],
    series: [
      {},
      bar("good"),
      bar("bad"),
      {
        paths: centred(stepped, cells),
        stroke: colour("ink", 0.75),
        width: 1.5,
        dash: [4, 3],
        points: { show: false },
      },
    ],
    plugins: [{ hooks: { draw: line("y", 0, colour("muted")) } }],
  };
}

export function padded(low, high) {
  const least = Math.min(0, low ?? 0);
  const most = Math.max(0, high ?? 0);
  const room = Math.max(0.1, (most - least) * 0.12);
  return [least - room, most + room];
}

export const moneyTick = (value) =>
  `${value < 0 ? "\u2212" : ""}$${Number(Math.abs(value).toFixed(2))}`;
