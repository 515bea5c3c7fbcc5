// One line chart under the bands, on their time axis: its title with the unit, a grid, the last and the greatest value.

import { drawn, keyed, say, set } from "./dom.js";
import { UNKNOWN, isKnown, tick } from "./format.js";

const TITLE_PX = 22;
const PLOT_PX = 50;
const STEPS = [1, 2, 3, 4, 5, 6, 8, 10];

export const CHART_PX = TITLE_PX + PLOT_PX + 9;

/* The end of an axis that holds `value`: 1, 2, 3, 4, 5, 6, 8, 10, 20, ... */
export function niceMax(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return power * STEPS.find((step) => step * power >= Math.max(value, 1));
}

export class Chart {
  #lines; #show; #nodes; #titles;

  /* titles: [wide, narrow]; lines: [{name, kind, word}], each a name in `series`; show(value): a value with its unit. */
  constructor(parent, titles, lines, show) {
    [this.#titles, this.#lines, this.#show] = [titles, lines, show];
    const node = drawn("g", { class: "chart" });
    this.#nodes = {
      grid: node.appendChild(drawn("g")),
      paths: node.appendChild(drawn("g")),
      title: node.appendChild(drawn("text", { class: "chart-title" })),
      now: node.appendChild(drawn("text", { class: "chart-now", "text-anchor": "end" })),
      dots: node.appendChild(drawn("g")),
    };
    parent.append(node);
  }

  /* Draw it from `top` on. */
  draw(series, scale, top, isNarrow) {
    this.most = Math.max(0, ...this.#lines.map(({ name }) => greatest(series[name])));
    this.max = niceMax(this.most);
    this.top = top + TITLE_PX;
    this.bottom = this.top + PLOT_PX;
    const { grid, paths, title, now } = this.#nodes;
    set(say(title, this.#titles[Number(isNarrow)]), { x: scale.left, y: top + 13 });
    const last = lastKnown(series[this.#lines[0].name]);
    set(say(now, isNarrow ? this.#show(last) : `now ${this.#show(last)} · most ${this.most ? this.#show(this.most) : UNKNOWN}`), { x: scale.right, y: top + 13 });
    const levels = [0, this.max / 2, this.max];
    keyed(grid, levels, (_, i) => i, () => drawn("g", {}, drawn("path", { class: "grid" }), drawn("text", { class: "row-label" })), () => {});
    levels.forEach((level, i) => {
      const [line, text] = grid.children[i].children, y = this.y(level);
      set(line, { d: `M${scale.left} ${y}H${scale.right}` });
      set(say(text, tick(level)), { x: scale.left - 10, y });
    });
    keyed(paths, this.#lines.flatMap((line) => (line.kind === "area" ? [{ ...line, kind: "under" }, line] : [line])), (line) => line.kind,
      () => drawn("path"), (path, { name, kind }) => {
        set(path, { d: this.#path(series.time, series[name], scale, kind === "under"), class: `line ${kind} ${name}` });
      });
  }

  y(value) {
    return Math.round((this.bottom - (Math.min(value, this.max) / this.max) * PLOT_PX) * 10) / 10;
  }

  /* What is unknown is a gap, not a zero. */
  #path(times, values, scale, isClosed) {
    const parts = [];
    let begun = null, last = null;
    const close = () => { if (isClosed && begun !== null) parts.push(`V${this.bottom}H${begun}z`); begun = null; };
    for (let i = 0; i < times.length; i++) {
      const value = values[i];
      if (!isKnown(value) || times[i] < scale.start) { close(); continue; }
      const x = scale.x(times[i]).toFixed(1), y = this.y(value);
      if (begun === null) parts.push(isClosed ? `M${x} ${this.bottom}V${y}` : `M${x} ${y}`, isClosed ? "" : "h.1");
      else parts.push(`L${x} ${y}`);
      begun ??= x;
      last = x;
    }
    if (last !== null) close();
    return parts.join("");
  }

  /* Put a dot on each line at the entry `i` of the series; null: none. */
  point(series, scale, i) {
    const dots = i === null ? [] : this.#lines.filter(({ name }) => isKnown(series[name][i]));
    keyed(this.#nodes.dots, dots, ({ name }) => name, ({ name }) => drawn("circle", { r: 3.5, class: `dot ${name}` }), (dot, { name }) => {
      set(dot, { cx: scale.x(series.time[i]).toFixed(1), cy: this.y(series[name][i]) });
    });
  }

  /* The values of the entry `i` in words: stored 3,802/s, sent 3,790/s. */
  read(series, i) {
    return this.#lines.map(({ name, word }) => `${word} ${this.#show(series[name][i])}`).join(", ");
  }
}

const greatest = (values) => values.reduce((most, value) => (isKnown(value) && value > most ? value : most), 0);

export function lastKnown(values) {
  return values?.findLast(isKnown) ?? null;
}
