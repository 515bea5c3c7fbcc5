// Numbers and times in words. What is unknown is a dash, never a zero.

export const UNKNOWN = "–";
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });
const TOO_LONG = 1e10;

export const isKnown = (value) => Number.isFinite(value);

/* Of records: 3,802; beyond ten digits 12.35B. */
export function count(value) {
  if (!isKnown(value)) return UNKNOWN;
  return Math.abs(value) >= TOO_LONG ? SHORT.format(value) : WHOLE.format(value);
}

/* A value of a chart's axis, which has little room: 2.5K, 500, 0.5. */
export function tick(value) {
  return value >= 1000 ? SHORT.format(value) : TENTHS.format(value);
}

/* 0.2 s, 38 s, 38 min, 5 h, 12 days. */
export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  if (seconds < 119.5 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 47.5 * 3600 ? `${Math.round(seconds / 3600)} h` : `${count(Math.round(seconds / 86_400))} days`;
}

/* The distance to an earlier event: +1.04 s. */
export function after(seconds) {
  if (!isKnown(seconds)) return "";
  return seconds < 9.95 ? `+${seconds.toFixed(2)} s` : `+${duration(seconds)}`;
}

const two = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/* The local time of a Unix time: 14:02:31, or 14:02:31.3; with its day where `now` is on another one. */
export function clock(time, { tenths = false, minutes = false, now = time } = {}) {
  if (!isKnown(time)) return UNKNOWN;
  const date = new Date(tenths ? Math.floor(time * 10) * 100 : time * 1000), today = new Date(now * 1000);
  const day = date.toDateString() === today.toDateString() ? "" : `${date.getDate()} ${MONTHS[date.getMonth()]} `;
  const seconds = minutes ? "" : `:${two(date.getSeconds())}`;
  return `${day}${two(date.getHours())}:${two(date.getMinutes())}${seconds}${tenths ? `.${Math.floor(date.getMilliseconds() / 100)}` : ""}`;
}

/* 0-2, 5 of a sorted list of numbers. */
export function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : last === first + 1 ? `${first}, ${last}` : `${first}–${last}`)).join(", ");
}

/* A long name keeps its beginning and its end: orders-of-…-eu. */
export function shortened(name, most) {
  if (name.length <= most) return name;
  const end = Math.floor((most - 1) / 3);
  return `${name.slice(0, most - 1 - end)}…${name.slice(name.length - end)}`;
}

export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
