// What happened, above the bands: a shape and a line for each event, and a label where there is room for one.

import { drawn, keyed, say, set } from "./dom.js";
import { after } from "./format.js";
import { shortName } from "./palette.js";

/* By kind: how much it says, 0 the most; its shape; its word. */
const KINDS = {
  died: [0, "cross", "died"], killed: [0, "cross", "killed"], stalled: [0, "cross", "hung, killed"],
  stored_again: [1, "up", "stored again"], back: [2, "up", "back"],
  stopped: [1, "square", "stopped"], fleet_started: [1, "up", "fleet started"],
  taken_over: [3, "ring", "taken over"], evicted: [3, "ring", "evicted"],
  rebalanced: [4, "ring", "rebalanced"],
};
const LITTLE = 3;
const OTHER = [4, "ring", null];
const SHAPES = { cross: "M-4 -4L4 4M4 -4L-4 4", up: "M-4.5 4L0 -4L4.5 4z", square: "M-4 -4h8v8h-8z", ring: "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0" };
const LANE_PX = 17;
const GAP_PX = 7;
const FROM_LINE_PX = 8;

export const rankOf = (kind) => (KINDS[kind] ?? OTHER)[0];
export const shapeOf = (kind) => (KINDS[kind] ?? OTHER)[1];

/* The words of a mark on the chart; who it is of only where several are told of. */
export function labelOf(mark, isAlone) {
  const [rank, , word] = KINDS[mark.kind] ?? OTHER;
  const what = word ?? mark.text ?? mark.kind;
  const distance = rank > 0 && mark.seconds ? ` ${after(mark.seconds)}` : "";
  if (!mark.process) return `${what}${distance}`;
  if (isAlone) return rank === 0 ? `${mark.process} ${what}` : `${what}${distance}`;
  return `${shortName(mark.process)} ${what}${distance}`;
}

/* Where labels stand: [{mark, x, lane, side, text}], lane and side null where there was no room. The most important first,
   each on the first lane, left or right of its line, where it meets no other.
   measure(text): its width in pixels. */
export function place(marks, scale, lanes, measure) {
  const isAlone = new Set(marks.map((mark) => mark.process).filter(Boolean)).size < 2;
  const taken = Array.from({ length: lanes }, () => []);
  const inOrder = marks.map((mark, i) => ({ mark, i })).sort((a, b) => rankOf(a.mark.kind) - rankOf(b.mark.kind) || b.mark.time - a.mark.time || a.i - b.i);
  const found = inOrder.map(({ mark, i }) => {
    const x = scale.x(mark.time), text = labelOf(mark, isAlone), width = measure(text);
    const sides = rankOf(mark.kind) === 0 ? ["left", "right"] : ["right", "left"];
    for (let lane = 0; lane < lanes; lane++) {
      for (const side of sides) {
        const from = side === "left" ? x - FROM_LINE_PX - width : x + FROM_LINE_PX, to = from + width;
        const isFree = taken[lane].every(([start, end]) => to + GAP_PX < start || from - GAP_PX > end);
        if (from < scale.left - 30 || to > scale.right || !isFree) continue;
        taken[lane].push([Math.min(from, x - 4), Math.max(to, x + 4)]);
        return { mark, i, x, lane, side, text };
      }
    }
    return { mark, i, x, lane: null, side: null, text };
  });
  return found.sort((a, b) => a.i - b.i);
}

export const heightOf = (lanes) => lanes * LANE_PX + 12;

/* Draw them: lines from each label down to `bottom`. Returns how many have no label. */
export function drawMarks(into, placed, top, lanes, bottom) {
  const base = top + lanes * LANE_PX + 3;
  const classOf = ({ mark }) => `rank${rankOf(mark.kind)} ${shapeOf(mark.kind)}`;
  // One line a pixel is enough, the most important one: a day has many marks.
  const columns = new Map();
  for (const each of [...placed].sort((a, b) => rankOf(b.mark.kind) - rankOf(a.mark.kind))) columns.set(Math.round(each.x), each);
  const lines = [...columns].map(([x, each]) => ({ ...each, key: x }));
  // Those that say little get a line only up to their label.
  const long = lines.filter((each) => each.lane !== null || rankOf(each.mark.kind) < LITTLE);
  keyed(into.lines, long, (each) => each.key, () => drawn("path"), (node, each) => {
    const from = each.lane === null ? base : top + each.lane * LANE_PX + 3;
    set(node, { d: `M${each.x.toFixed(1)} ${from}V${rankOf(each.mark.kind) < LITTLE ? bottom : base}`, class: `mark-line ${classOf(each)}` });
  });
  keyed(into.shapes, lines, (each) => each.key, () => drawn("path"), (node, each) => {
    set(node, { d: SHAPES[shapeOf(each.mark.kind)], transform: `translate(${each.x.toFixed(1)} ${base})`, class: `mark-shape ${classOf(each)}` });
  });
  const labelled = placed.filter((each) => each.lane !== null);
  keyed(into.texts, labelled, ({ mark }) => `${mark.time} ${mark.kind} ${mark.process}`, () => drawn("text"), (node, each) => {
    const x = each.side === "left" ? each.x - FROM_LINE_PX : each.x + FROM_LINE_PX;
    set(say(node, each.text), {
      x: x.toFixed(1), y: top + each.lane * LANE_PX + 11, class: `mark-text ${classOf(each)}`,
      "text-anchor": each.side === "left" ? "end" : "start", "data-kind": each.mark.kind,
    });
  });
  return placed.length - labelled.length;
}
