// What the cross-hair reads, in words: for the strip above the bands, and for a screen reader.

import { bandAt } from "./bands.js";
import { clock, duration, plural, ranges } from "./format.js";

const NEAR_PX = 5;

/* The parts of the sentence: [{text, kind}], kind one of time, band, value, mark. */
export function read({ time, row, partitions, charts, series, marks, scale }) {
  const parts = [{ kind: "time", text: `${clock(time, { tenths: true, now: scale.now })}, ${duration(scale.now - time)} ago` }];
  const several = new Set(partitions.map(({ topic }) => topic)).size > 1;
  parts.push({ kind: "band", text: row ? ofOne(row, time, several) : ofAll(partitions, time, several) });
  const i = indexAt(series.time, time);
  if (i !== null) for (const chart of charts) parts.push({ kind: "value", text: chart.read(series, i) });
  const near = marks.filter((mark) => Math.abs(scale.x(mark.time) - scale.x(time)) <= NEAR_PX);
  for (const mark of near.slice(0, 3)) parts.push({ kind: "mark", text: [mark.process, mark.text ?? mark.kind].filter(Boolean).join(" ") });
  if (near.length > 3) parts.push({ kind: "mark", text: `and ${plural(near.length - 3, "more event")}` });
  return parts;
}

const nameOf = (part, several) => (several ? `${part.topic} ${part.partition}` : String(part.partition));

function ofOne(part, time, several) {
  const name = `partition ${nameOf(part, several)}`, band = bandAt(part, time);
  const worker = band?.worker ?? "nobody";
  switch (band?.kind) {
    case "storing": return `${name}: ${worker} stores it`;
    case "idle": return `${name}: ${worker} has it, nothing waits`;
    case "waiting": return `${name}: records wait, nobody stores them${band.worker ? ` (${worker} has it)` : ""}`;
    case "halted": return `${name}: halted by ${worker}`;
    case "paused": return `${name}: paused, ${worker} has it`;
    default: return `${name}: not known`;
  }
}

function ofAll(partitions, time, several) {
  const found = { storing: [], idle: [], waiting: [], halted: [], paused: [], unknown: [] };
  for (const part of partitions) (found[bandAt(part, time)?.kind] ?? found.unknown).push(part);
  const listed = (parts) => (several ? plural(parts.length, "partition") : `${parts.length === 1 ? "partition" : "partitions"} ${ranges(parts.map(({ partition }) => partition))}`);
  const words = [];
  if (found.waiting.length) words.push(`${listed(found.waiting)} ${found.waiting.length === 1 ? "waits" : "wait"}`);
  if (found.halted.length) words.push(`${listed(found.halted)} halted`);
  if (found.paused.length) words.push(`${listed(found.paused)} paused`);
  if (found.unknown.length) words.push(`${plural(found.unknown.length, "partition")} not known`);
  const well = found.storing.length + found.idle.length;
  if (well) words.push(`${found.storing.length} of ${plural(partitions.length, "partition")} stored${found.idle.length ? `, ${found.idle.length} with nothing to do` : ""}`);
  return words.join(", ") || "no partition is known";
}

/* The entry of the series that is nearest to a time; null: none is near. */
export function indexAt(times, time) {
  if (!times.length) return null;
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && time - times[low - 1] < times[low] - time) low -= 1;
  const step = times.length > 1 ? (times.at(-1) - times[0]) / (times.length - 1) : 1;
  return Math.abs(times[low] - time) <= Math.max(2, step * 1.5) ? low : null;
}
