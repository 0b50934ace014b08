// Mode, state, clock, buttons, what needs attention, and the figures at a glance.

import { byId, h, setClass, setText, show } from "./dom.js";
import { clockTime, dollars, moment, signed, tone, words } from "./format.js";

export function showHeader({ status, at }) {
  setText(byId("mode"), status.mode);
  setClass(byId("mode"), `badge ${status.mode}`);
  const [state, style] = stateOf(status);
  setText(byId("state"), state);
  setClass(byId("state"), `state ${style}`);
  setText(byId("clock"), clockTime(at));
  byId("halt").hidden = status.halt !== null;
  byId("resume").hidden = status.halt === null;
  document.title = `${state} · mmbot ${status.mode}`;
}

function stateOf(status) {
  if (status.stopping) return ["Stopping", "warn"];
  if (status.halt) return ["Halted", "bad"];
  if (!status.quoting) return ["Not quoting", "warn"];
  const markets = status.events.filter((each) => !each.settled).flatMap((each) => each.markets);
  const quoted = markets.filter((market) => market.quotes.length).length;
  return [`Quoting ${quoted} of ${markets.length}`, "good"];
}

// Notices

export function showNotices({ status, calendarOf }, connected, told) {
  const notices = [];
  if (!connected) notices.push(["bad", "No connection to the daemon: these figures are old."]);
  if (told) notices.push(["warn", told]);
  if (status?.halt) {
    const reason = status.halt.reason ? `: ${status.halt.reason}` : "";
    notices.push(["bad", `Halted since ${moment(calendarOf(status.halt.since))}${reason}`]);
  } else if (status?.gate) {
    notices.push(["warn", `${words(status.gate.gate)}: ${status.gate.meaning}`]);
  }
  if (status?.paused.length) notices.push(["warn", `Paused: ${status.paused.join(", ")}`]);
  for (const problem of status?.problems ?? []) notices.push(["bad", problem]);
  for (const [what, why] of Object.entries(status?.unreadable ?? {})) {
    notices.push(["warn", `${what} cannot be read: ${why}`]);
  }
  show(byId("notices"), notices, () =>
    notices.map(([style, text]) => h("p", { class: `notice ${style}` }, text)),
  );
  document.body.classList.toggle("stale", !connected);
}

// Figures at a glance

export function showTiles({ status }) {
  const { pnl, cash } = status;
  const dayLimit = limit(status, "daily_loss_dollars");
  const eventLimit = limit(status, "event_loss_dollars", pnl.week);
  const tiles = [
    ["Today", signed(pnl.today_fair), `${signed(pnl.today_worst)} at worst`, tone(pnl.today_fair)],
    ["This week", signed(pnl.week_fair), `${signed(pnl.week_worst)} at worst`, tone(pnl.week_fair)],
    ["May still lose today", left(dayLimit), most(dayLimit), ""],
    ["May still lose this week", left(eventLimit), most(eventLimit), ""],
    ["Cash", cash === null ? "?" : dollars(cash), "before open events", ""],
    ["Orders", String(status.live_orders), orders(status), ""],
  ];
  show(byId("tiles"), tiles, () =>
    tiles.map(([name, value, note, style]) =>
      h(
        "div",
        { class: "tile" },
        h("span", { class: "name" }, name),
        h("strong", { class: `value num ${style}` }, value),
        h("span", { class: "note num" }, note),
      ),
    ),
  );
}

const limit = (status, name, scope = "") =>
  status.limits.find((each) => each.limit === name && (!scope || each.scope === scope));
const left = (found) => (found?.left == null ? "?" : dollars(found.left));
const most = (found) => (found ? `of ${dollars(found.most)}` : "no event is open");

function orders(status) {
  const found = limit(status, "orders");
  return found ? `of ${found.most} at the most` : "";
}
