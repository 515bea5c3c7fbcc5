// Who has which colour. Seven colours that colour-blind people tell apart (Okabe and Ito); from the eighth worker on a
// pattern comes with them, and everywhere a number. fleet.css has the colours, --w0 to --w6.

import { drawn } from "./dom.js";

const COLOURS = 7;
const PATTERNS = [null, "M2 2h2v2h-2zM7 7h2v2h-2z", "M2.5 0V10", "M0 0L10 10M-2 8L2 12M8 -2L12 2", "M0 5H10M5 0V10"];
const others = new Map();

/* worker_07 is 7. A name without a number gets the next one that is free, for as long as the page is open. */
export function numberOf(worker) {
  const found = /(\d{1,4})$/.exec(worker);
  if (found) return Number(found[1]);
  if (!others.has(worker)) others.set(worker, others.size);
  return others.get(worker);
}

/* As it stands in its band: 07. */
export const shortName = (worker) => /(\d{1,4})$/.exec(worker)?.[1] ?? worker.slice(0, 3);

const variant = (worker) => Math.floor(numberOf(worker) / COLOURS) % PATTERNS.length;

/* The class of an HTML element in the worker's colour: w0 to w6, and v1 to v4 with a pattern. */
export function colourClass(worker) {
  const pattern = variant(worker);
  return `w${numberOf(worker) % COLOURS}${pattern ? ` v${pattern}` : ""}`;
}

/* What an SVG shape is filled with. Makes the pattern in `defs` where it needs one. */
export function fill(worker, defs) {
  const colour = `var(--w${numberOf(worker) % COLOURS})`, pattern = variant(worker);
  if (!pattern) return colour;
  const id = `worker-${numberOf(worker) % COLOURS}-${pattern}`;
  if (!defs.querySelector(`#${id}`)) {
    defs.append(drawn("pattern", { id, width: 10, height: 10, patternUnits: "userSpaceOnUse" },
      drawn("rect", { width: 10, height: 10, fill: colour }),
      drawn("path", { d: PATTERNS[pattern], class: "worker-pattern" })));
  }
  return `url(#${id})`;
}

/* The class of SVG text that stands on it. */
export const inkClass = (worker) => `ink-w${numberOf(worker) % COLOURS}`;
