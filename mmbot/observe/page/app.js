// The dashboard: what the daemon sends is kept in one model, and each part of the page shows it.

import { forgetCharts } from "./charts.js";
import { startControl } from "./control.js";
import { byId, h, show } from "./dom.js";
import { showFills } from "./fills.js";
import { dayName } from "./format.js";
import { showHeader, showNotices, showTiles } from "./header.js";
import { showHealth, showLimits } from "./health.js";
import { onToggle, showLadder, startLadder } from "./ladder.js";
import { addLines, showLog, startLog } from "./log.js";
import { showLives, showOrders } from "./orders.js";
import { showPnl } from "./pnl.js";
import { connect } from "./stream.js";
import { startTheme } from "./theme.js";
import { showWeek } from "./week.js";

const state = { look: null, courses: [], chosen: "", told: "", connected: true, first: null };

// The daemon's calendar may run fast, on a simulated exchange: an instant of its clock as a time.
function calendarOf(at) {
  const { status } = state.look;
  const now = Date.parse(status.calendar);
  const passed = status.at - state.first.at;
  const speed = passed > 0 ? (now - state.first.calendar) / passed : 1;
  return now + (at - status.at) * (Math.abs(speed - 1) < 0.01 ? 1 : speed);
}

function chosenEvent(events) {
  const named = events.find((each) => each.event === state.chosen);
  const open = events.filter((each) => !each.settled);
  return named ?? open[0] ?? events.at(-1) ?? null;
}

const noEvent = ({ ages }) =>
  ages.listing_ms === null
    ? "The exchange's listing has not been read yet."
    : "No event is open: the exchange lists the next one.";

function model() {
  if (!state.look) return {};
  const { status } = state.look;
  const event = chosenEvent(status.events);
  const course = state.courses.find((each) => each.event === event?.event) ?? null;
  const at = Date.parse(status.calendar);
  return { look: state.look, status, event, course, calendarOf, at, noEvent: noEvent(status) };
}

function render() {
  const shown = model();
  showNotices(shown, state.connected, state.told);
  if (!state.look) return;
  showHeader(shown);
  showTiles(shown);
  showTabs(shown);
  showWeek(shown);
  showPnl(shown);
  showLimits(shown);
  showHealth(shown);
  showLadder(shown);
  showOrders(shown);
  showFills(shown);
}

function showTabs({ status, event }) {
  const events = status.events.map((each) => [each.event, each.week, each.settled]);
  byId("events").hidden = events.length < 2;
  show(byId("events"), [events, event?.event], () =>
    events.map(([ticker, week, settled]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(ticker === event?.event),
          onclick: () => {
            state.chosen = ticker;
            render();
          },
        },
        `${dayName(week)}${settled ? ", settled" : ""}`,
      ),
    ),
  );
}

function looked(look) {
  const { at, calendar, session } = look.status;
  if (state.first?.session !== session) {
    state.first = { at, calendar: Date.parse(calendar), session };
  }
  state.look = look;
  render();
}

function logged(lines) {
  showLives(addLines(lines));
  showLog();
}

function drawAnew() {
  forgetCharts();
  render();
}

startTheme(drawAnew);
startControl((sentence) => {
  state.told = sentence;
  render();
});
startLadder(render);
onToggle(render);
startLog();
new ResizeObserver(() => render()).observe(byId("distribution"));
connect(
  {
    look: looked,
    lines: logged,
    courses: (courses) => {
      state.courses = courses;
      render();
    },
  },
  (connected) => {
    if (state.connected === connected) return;
    state.connected = connected;
    render();
  },
);
