// One band a partition: who stored it when. Full height: it is stored; a thin line: it is owned, and nothing waits; hatched:
// records wait, and nobody stores them; checked: its worker halted it; striped: somebody has paused it; nothing: not known.

import { drawn, keyed, say, set } from "./dom.js";
import { shortened } from "./format.js";
import { fill, inkClass, numberOf, shortName } from "./palette.js";

const AREA_PX = { few: 400, many: 480 };
const MANY = 40;
const LEAST_PX = 60;
const PITCH = { least: 1, most: 28 };
const HEADING_PX = 20;
const GROUP_GAP_PX = 4;
const LETTER_PX = 8;
const LABEL_PX = 12;
const HOLE_PX = 3;
const NAMED_PX = { width: 34, height: 16 };
const ORDER = ["idle", "storing", "paused", "halted", "waiting"];

export const BY_PARTITION = "partition", BY_WORKER = "worker";

/* The rows, from `top` on: {rows: [{part, y, height}], headings: [{y, text}], pitch, bottom}. isNamed: whether the headings
   stand beside the bands, and not above them. */
export function layout(partitions, order, top, isNamed = false) {
  const groups = order === BY_WORKER ? byWorker(partitions) : byTopic(partitions);
  const hasHeadings = groups.length > 1;
  const pitch = Math.min(PITCH.most, Math.max(PITCH.least, Math.floor((partitions.length > MANY ? AREA_PX.many : AREA_PX.few) / Math.max(1, partitions.length))));
  const gap = pitch >= 16 ? 4 : pitch >= 8 ? 2 : pitch >= 4 ? 1 : 0;
  const rows = [], headings = [];
  let y = top;
  for (const [name, parts] of groups) {
    if (isNamed) {
      const middle = y + (parts.length * pitch - gap) / 2;
      // As many as there is room for.
      if (middle - (headings.at(-1)?.y ?? -LABEL_PX) >= LABEL_PX) headings.push({ y: middle, text: name });
    } else if (hasHeadings) headings.push({ y: (y += HEADING_PX) - 6, text: name });
    for (const part of parts) {
      rows.push({ part, y, height: pitch - gap });
      y += pitch;
    }
    if (isNamed) y += pitch >= 4 ? GROUP_GAP_PX : 1;
  }
  return { rows, headings, pitch, isNamed, hasTopics: new Set(partitions.map(({ topic }) => topic)).size > 1, isByWorker: order === BY_WORKER, top, bottom: Math.max(y, top + LEAST_PX) };
}

function byTopic(partitions) {
  const topics = new Map();
  for (const part of partitions) topics.set(part.topic, [...(topics.get(part.topic) ?? []), part]);
  return [...topics].map(([topic, parts]) => [topic, parts.toSorted((a, b) => a.partition - b.partition)]);
}

/* By the one who had it for the longest time, so that a takeover of some seconds moves no row. */
function byWorker(partitions) {
  const workers = new Map();
  for (const part of partitions) {
    const seconds = new Map();
    for (const [start, end, worker] of part.bands) if (worker !== null) seconds.set(worker, (seconds.get(worker) ?? 0) + end - start);
    const owner = [...seconds].reduce((most, each) => (each[1] > most[1] ? each : most), [null, 0])[0];
    workers.set(owner, [...(workers.get(owner) ?? []), part]);
  }
  const rank = (worker) => (worker === null ? Infinity : numberOf(worker));
  return [...workers].toSorted(([a], [b]) => rank(a) - rank(b)).map(([worker, parts]) => [worker ?? "nobody", parts]);
}

/* Draw them into the group `into`; `plan` is what `layout` returned. */
export function drawBands(into, defs, plan, scale) {
  const shapes = new Map([["track", { key: "track", d: [], kind: "track" }]]);
  const names = [];
  for (const { part, y, height } of plan.rows) {
    shapes.get("track").d.push(box(scale.left, scale.right, y, height));
    let run = null;
    for (const [start, end, worker, kind] of part.bands) {
      if (end < scale.start || !ORDER.includes(kind)) { run = null; continue; }
      let from = Math.max(scale.left, scale.x(start)), to = Math.min(scale.right, scale.x(end));
      if (kind === "waiting" && to - from < HOLE_PX) [from, to] = widened(from, to, scale);
      const owner = kind === "waiting" ? null : worker, key = `${kind} ${owner ?? ""}`;
      if (!shapes.has(key)) shapes.set(key, { key, d: [], kind, worker: owner });
      const thin = Math.max(1, Math.round(height * 0.25));
      shapes.get(key).d.push(kind === "idle" ? box(from, to, y + (height - thin) / 2, thin) : box(from, to, y, height));
      if (worker === null || (kind !== "storing" && kind !== "idle")) { run = null; continue; }
      if (run?.worker !== worker) run = { worker, key: `${part.topic} ${part.partition} ${start}`, name: null };
      if (run.kind === kind && from - run.to < 2) run.to = to;
      else Object.assign(run, { kind, from, to });
      // Once a run: where it is stored, if that is wide enough.
      if (run.name?.kind === "storing" || (run.name && kind === "idle") || run.to - run.from < NAMED_PX.width) continue;
      if (!run.name) names.push((run.name = { key: run.key, worker, y, height }));
      Object.assign(run.name, { kind, from: run.from });
    }
  }
  const sorted = [...shapes.values()].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  keyed(into.bands, sorted, (shape) => shape.key, () => drawn("path"), (node, { d, kind, worker }) => set(node, {
    d: d.join(""), class: `band ${kind}`, "data-worker": worker, fill: fillOf(kind, worker, defs),
  }));
  const high = names.filter(({ height }) => height >= NAMED_PX.height);
  keyed(into.names, high, (run) => run.key, () => drawn("text"), (node, run) => {
    set(say(node, shortName(run.worker)), { x: Math.round(run.from + 6), y: run.y + run.height / 2, class: `band-name ${run.kind === "idle" ? "on-track" : inkClass(run.worker)}` });
  });
}

function fillOf(kind, worker, defs) {
  if (kind === "track") return null;
  if (kind === "waiting") return "url(#hole)";
  if (kind === "halted" || kind === "paused") return `url(#${kind})`;
  return worker === null ? "var(--quiet)" : fill(worker, defs);
}

const box = (from, to, y, height) => `M${from.toFixed(1)} ${y}H${to.toFixed(1)}v${height}H${from.toFixed(1)}z`;

/* A hole is never too thin to be seen, however many hours are shown. */
function widened(from, to, scale) {
  const middle = (from + to) / 2, half = HOLE_PX / 2;
  const start = Math.min(scale.right - HOLE_PX, Math.max(scale.left, middle - half));
  return [start, start + HOLE_PX];
}

/* The numbers in the gutter; as many as there is room for. */
export function drawLabels(into, plan, scale) {
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((each) => each * plan.pitch >= LABEL_PX) ?? 1000;
  // Beside a name there is room only for rows that are high; and a number alone tells nothing of many topics.
  const isHidden = plan.hasTopics && (plan.isByWorker || plan.pitch < LABEL_PX);
  const labelled = isHidden ? [] : plan.rows.filter((_, i) => i % every === 0);
  keyed(into.labels, labelled, ({ part }) => `${part.topic} ${part.partition}`, () => drawn("text", { class: "row-label" }), (node, row) => {
    set(say(node, String(row.part.partition)), { x: scale.left - 10, y: row.y + row.height / 2 });
  });
  const most = Math.floor((plan.isNamed ? scale.left - (isHidden ? 8 : 32) : scale.width) / LETTER_PX);
  keyed(into.headings, plan.headings, ({ text }) => text, () => drawn("text", { class: "heading" }), (node, heading) => {
    set(say(node, shortened(heading.text, most)), { x: plan.isNamed ? 2 : scale.left, y: heading.y, class: plan.isNamed ? "heading beside" : "heading" });
  });
}

/* The band of a partition at a time, as {worker, kind}; null: nothing is known. */
export function bandAt(part, time) {
  let low = 0, high = part.bands.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1, [start, end, worker, kind] = part.bands[middle];
    if (time < start) high = middle - 1;
    else if (time >= end && middle !== part.bands.length - 1) low = middle + 1;
    else return time > end + 1 ? null : { worker, kind, start, end };
  }
  return null;
}
