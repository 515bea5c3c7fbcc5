// The panel in the middle: marks, bands and charts on one time axis, from two minutes to a day.

import { BY_PARTITION, BY_WORKER, drawBands, drawLabels, layout } from "./bands.js";
import { CHART_PX, Chart } from "./chart.js";
import { Cursor } from "./cursor.js";
import { at, drawn, element, keyed, say, set } from "./dom.js";
import { clock, count, duration } from "./format.js";
import { drawMarks, heightOf, place } from "./marks.js";
import { indexAt, read } from "./reading.js";
import { TimeScale } from "./timescale.js";

export const ZOOMS = [[120, "2 min"], [600, "10 min"], [3600, "1 h"], [21_600, "6 h"], [86_400, "1 day"]];
const GUTTER = { wide: 48, narrow: 40, named: 150 };
const NARROW_PX = 520;
const RIGHT_PX = 14;
const AXIS_PX = 24;
const MANY = 12;
const NOTE_PX = 170;
const TOUCH = "Touch the timeline to read all values of one instant.";
const HINT = "Point at the timeline, or focus it and use the arrow keys, to read all values of one instant; N and P go from event to event.";

export class Timeline {
  #data = null; #kept = null; #order = BY_PARTITION; #scale = null; #plan = { rows: [], headings: [] }; #marks = []; #problem = "";
  #isShown;
  #plot = at("plot"); #svg = at("plot").querySelector("svg"); #into = {}; #charts; #pen; #font;

  /* isShown(topic): whether its partitions are drawn; changed(): the time that is shown is another one. */
  constructor(isShown, changed) {
    this.#isShown = isShown;
    this.seconds = ZOOMS[0][0];
    const groups = ["ticks", "lines", "bands", "names", "labels", "headings", "charts", "shapes", "texts", "axis", "notes"];
    for (const name of groups) this.#into[name] = this.#svg.appendChild(drawn("g", { class: `layer-${name}` }));
    this.#into.cross = this.#svg.appendChild(drawn("path", { class: "cross-hair" }));
    this.#charts = [
      new Chart(this.#into.charts, ["records a second: stored, and sent (dashed)", "stored a second"], [{ name: "stored", kind: "area", word: "stored" }, { name: "sent", kind: "dashed", word: "sent" }], (value) => `${count(value)}/s`),
      new Chart(this.#into.charts, ["records that wait", "records that wait"], [{ name: "waiting", kind: "area", word: "waiting" }], count),
      new Chart(this.#into.charts, ["the oldest that waits, seconds", "the oldest, seconds"], [{ name: "age", kind: "area", word: "oldest" }], duration),
    ];
    this.cursor = new Cursor(this.#plot, {
      scale: () => this.#scale, rows: () => this.#plan.rows, marks: () => this.#marks, moved: (byKeyboard) => this.#point(byKeyboard),
    });
    this.#makeButtons(changed);
    new ResizeObserver(() => this.draw()).observe(this.#plot);
  }

  #makeButtons(changed) {
    const zoom = (seconds) => { this.seconds = seconds; this.#kept = null; this.#press(); changed(); };
    at("zoom").append(...ZOOMS.map(([seconds, name]) => {
      const button = element("button", { type: "button", "data-seconds": seconds }, name);
      button.addEventListener("click", () => zoom(seconds));
      return button;
    }));
    at("order").append(...[BY_PARTITION, BY_WORKER].map((order) => {
      const button = element("button", { type: "button", "data-order": order }, `by ${order}`);
      button.addEventListener("click", () => { this.#order = order; this.#press(); this.draw(); });
      return button;
    }));
    at("pause").addEventListener("click", () => {
      this.#kept = this.#kept ? null : this.#data;
      this.#press();
      this.draw();
    });
    this.#plot.addEventListener("keydown", ({ key }) => {
      const i = ZOOMS.findIndex(([seconds]) => seconds === this.seconds), step = { "+": -1, "=": -1, "-": 1 }[key];
      if (step && ZOOMS[i + step]) zoom(ZOOMS[i + step][0]);
    });
    this.#press();
  }

  #press() {
    for (const button of at("zoom").children) set(button, { "aria-pressed": Number(button.dataset.seconds) === this.seconds });
    for (const button of at("order").children) set(button, { "aria-pressed": button.dataset.order === this.#order });
    set(at("pause"), { "aria-pressed": this.#kept !== null });
  }

  /* Take an answer of timeline.json, and draw it unless somebody looks at an earlier one. */
  show(data) {
    this.#data = data;
    this.#problem = "";
    if (!this.#kept) this.draw();
  }

  /* There was none, and why. */
  fail(why) {
    this.#problem = why;
    this.#point(false);
  }

  draw() {
    const data = this.#kept ?? this.#data, width = this.#plot.clientWidth;
    if (!data || !width) return;
    const partitions = this.#partitions, isNarrow = width < NARROW_PX, lanes = 3;
    // The names of several topics stand beside their bands.
    const isNamed = !isNarrow && new Set(partitions.map(({ topic }) => topic)).size > 1;
    const left = isNarrow ? GUTTER.narrow : isNamed ? GUTTER.named : GUTTER.wide;
    const scale = new TimeScale(data.start, data.now, left, width - left - RIGHT_PX);
    this.#scale = scale;
    at("order").hidden = partitions.length <= MANY;
    const plan = (this.#plan = layout(partitions, at("order").hidden ? BY_PARTITION : this.#order, heightOf(lanes), isNamed));
    this.#marks = data.marks.filter(({ time }) => time >= data.start && time <= data.now);
    const chartsTop = plan.bottom + 8, bottom = chartsTop + this.#charts.length * CHART_PX;
    set(this.#svg, { viewBox: `0 0 ${width} ${bottom + AXIS_PX}`, width, height: bottom + AXIS_PX });
    this.#drawAxis(scale, bottom);
    drawBands(this.#into, this.#svg.querySelector("defs"), plan, scale);
    drawLabels(this.#into, plan, scale);
    const placed = place(this.#marks, scale, lanes, (text) => this.#measure(text));
    const unlabelled = drawMarks(this.#into, placed, 0, lanes, bottom);
    say(at("unlabelled"), unlabelled ? `${count(unlabelled)} of ${count(placed.length)} marks have no label; the list below has them` : "");
    this.#charts.forEach((chart, i) => chart.draw(data.series, scale, chartsTop + i * CHART_PX, isNarrow || (isNamed && scale.width < NARROW_PX)));
    this.bottom = bottom;
    this.#point(false);
  }

  #drawAxis(scale, bottom) {
    const ticks = scale.ticks();
    keyed(this.#into.ticks, ticks, ({ text }) => text, () => drawn("path", { class: "grid" }), (node, { x }) => {
      set(node, { d: `M${x.toFixed(1)} ${this.#plan.top}V${bottom}` });
    });
    const texts = [...ticks.filter(({ x }) => x > scale.left + 20 && x < scale.right - 64), { x: scale.right, text: "now" }];
    keyed(this.#into.axis, texts, ({ text }) => text, () => drawn("text", { class: "axis" }), (node, { x, text }) => {
      set(say(node, text), { x: x.toFixed(1), y: bottom + 17, "text-anchor": text === "now" ? "end" : "middle" });
    });
    // What was before the recording began is no hole.
    const partitions = this.#partitions, known = ({ bands }) => bands.find(([, , , kind]) => kind !== "unknown")?.[0] ?? Infinity;
    const first = Math.min(...partitions.map(known)), x = Number.isFinite(first) ? scale.x(first) : scale.left;
    const note = [];
    if (!partitions.length) note.push({ text: "no partition is known", x: (scale.left + scale.right) / 2 });
    else if (x - scale.left > NOTE_PX) note.push({ text: `recorded since ${clock(first)}`, x: (scale.left + x) / 2 });
    keyed(this.#into.notes, note, () => "note", () => drawn("text", { class: "note", "text-anchor": "middle" }), (node, { text, x }) => {
      set(say(node, text), { x: x.toFixed(1), y: (this.#plan.top + this.#plan.bottom) / 2 });
    });
  }

  /* Of the last answer, also while an earlier one is shown. */
  get marks() {
    return this.#data?.marks ?? [];
  }

  get #dataShown() {
    return this.#kept ?? this.#data;
  }

  /* Those of the chosen topics. */
  get #partitions() {
    return this.#dataShown.partitions.filter(({ topic }) => this.#isShown(topic));
  }

  #measure(text) {
    this.#pen ??= document.createElement("canvas").getContext("2d");
    this.#font ??= getComputedStyle(this.#svg).fontFamily;
    this.#pen.font = `600 12px ${this.#font}`;
    return this.#pen.measureText(text).width;
  }

  /* Draw the cross-hair, and write what it reads. */
  #point(byKeyboard) {
    const scale = this.#scale, time = this.cursor.time, data = this.#dataShown;
    const cross = this.#into.cross, reading = at("reading");
    if (!data || time === null) {
      set(cross, { d: "" });
      this.#charts.forEach((chart) => data && scale && chart.point(data.series, scale, null));
      const shown = this.#kept ? `Paused at ${clock(this.#kept.now)}: bands and charts stand still.` : matchMedia("(pointer: coarse)").matches ? TOUCH : HINT;
      reading.replaceChildren(this.#problem ? element("strong", {}, this.#problem) : shown);
      set(this.#plot, { "aria-valuenow": 0, "aria-valuetext": "now" });
      return;
    }
    const row = this.#plan.rows[this.cursor.row] ?? null;
    const rowBox = row ? `M${scale.left - 4} ${row.y - 1.5}H${scale.right + 4}v${row.height + 3}H${scale.left - 4}z` : "";
    set(cross, { d: `M${scale.x(time).toFixed(1)} 0V${this.bottom + 4}${rowBox}` });
    const i = indexAt(data.series.time, time);
    for (const chart of this.#charts) chart.point(data.series, scale, i);
    const parts = read({
      time, row: row?.part, partitions: this.#partitions, charts: this.#charts, series: data.series, marks: this.#marks, scale,
    });
    reading.replaceChildren(...parts.map(({ kind, text }) => element("span", { class: kind }, text)));
    set(this.#plot, { "aria-valuemin": -Math.round(scale.seconds) });
    if (byKeyboard) set(this.#plot, { "aria-valuenow": Math.round(time - scale.now), "aria-valuetext": parts.map(({ text }) => text).join(". ") });
  }
}
