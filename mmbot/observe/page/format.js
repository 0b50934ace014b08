// Numbers, prices and times as they are read.

const DOLLARS = new Intl.NumberFormat("en-US", {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const MINUS = "\u2212";

const signOf = (value) => (value > 0 ? "+" : value < 0 ? MINUS : "");

// A sum of money that rounds to nothing has no sign.
const cents = (amount) => Math.round(Number(amount) * 100) / 100;

export const dollars = (amount) =>
  amount === null ? "?" : `${cents(amount) < 0 ? MINUS : ""}$${DOLLARS.format(Math.abs(amount))}`;

export const signed = (amount) =>
  amount === null ? "?" : `${signOf(cents(amount))}$${DOLLARS.format(Math.abs(amount))}`;

export const tone = (amount) =>
  amount === null || cents(amount) === 0 ? "" : amount > 0 ? "good" : "bad";

export const whole = (value) => WHOLE.format(value);

// A count, or the value of a week: from a million on in millions.
export const amount = (value) => (value >= 1e6 ? (value / 1e6).toFixed(2) : WHOLE.format(value));

export const amountInFull = (value) => (value >= 1e6 ? `${amount(value)} m` : amount(value));

export const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;

// Dollars of YES as cents, with a decimal for an estimate and where a price has one.
export const estimate = (value) => (value === null ? "" : (value * 100).toFixed(1));

export const price = (text) => String(Math.round(Number(text) * 1000) / 10);

export function count(text) {
  const contracts = Number(text);
  return contracts >= 10_000 ? `${Number((contracts / 1000).toPrecision(3))}k` : `${contracts}`;
}

export function signedCount(text) {
  const contracts = Number(text);
  return contracts ? `${signOf(contracts)}${Math.abs(contracts)}` : "";
}

export const signedCents = (value) =>
  value === null ? "" : `${signOf(Math.round(value * 10))}${Math.abs(value).toFixed(1)}`;

export function duration(milliseconds) {
  if (milliseconds === null) return "never";
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  if (seconds < 3600) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(0)} h`;
  return `${(seconds / 86_400).toFixed(0)} days`;
}

const zoned = (options) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", ...options });
const CLOCK = zoned({ weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MOMENT = zoned({ weekday: "short", hour: "2-digit", minute: "2-digit" });
const TIME = zoned({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  weekday: "short",
  day: "numeric",
  month: "short",
});

// New York's time.
export const clockTime = (at) => `${CLOCK.format(at).replace(",", "")} NY`;
export const moment = (at) => MOMENT.format(at).replace(",", "");
export const timeOf = (at) => TIME.format(at);

export const dayName = (isoDate) => DAY.format(new Date(`${isoDate}T12:00:00Z`));
export const weekday = (isoDate) => dayName(isoDate).slice(0, 3);

// The end of a ticker: A2.45 of KXTSAW-26APR19-A2.45.
export const short = (ticker) => ticker.slice(ticker.lastIndexOf("-") + 1);
export const strike = (ticker) => short(ticker).replace(/^A/, "");

export const words = (name) => name.replaceAll("_", " ");
