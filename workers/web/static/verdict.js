// The sentence on top, from Python; and what this page knows better: whether the answers still come.

import { at, drawn, element, keyed, say, sayProse, set } from "./dom.js";
import { clock, count, duration } from "./format.js";

const LEVELS = {
  calm: { path: "M6 12.5l4 4 8-9", colour: "#0a7d55", sign: "" },
  attention: { path: "M12 6.5V12l4 3", colour: "#9a6200", sign: "… " },
  act: { path: "M12 5v9M12 18v.5", colour: "#b3261e", sign: "! " },
};
const PROBLEMS = 4;
const RESTART_SECONDS = 30; // supervisord starts it again within some seconds

export class Verdict {
  #icon = at("verdict").querySelector("svg path"); #told = "";

  /* Show it; `problems` are the lines of the status, below it. */
  show(verdict, problems, where) {
    const level = LEVELS[verdict?.level] ? verdict.level : "attention";
    const text = verdict?.text ?? "`workers lag` is of another version: it says nothing of the fleet";
    this.#write(level, text, verdict?.detail ?? "", where);
    const more = problems.length - PROBLEMS;
    // A single one is what the sentence says already; and what mends itself is to move nothing on the page.
    const lines = level !== "act" || problems.length < 2 ? [] : problems.slice(0, PROBLEMS).concat(more > 0 ? `and ${count(more)} more` : []);
    keyed(at("problems"), lines, (line) => line, () => element("li"), sayProse);
  }

  /* The answers have stopped. seconds: since the last one; null: there never was one. */
  silent(seconds, time, where) {
    const since = seconds === null ? "" : ` for ${duration(seconds)}`, level = seconds === null || seconds < RESTART_SECONDS ? "attention" : "act";
    const kept = seconds === null ? "" : `Below is its last answer, of ${clock(time)}. `;
    this.#write(level, `No answer from \`workers lag\`${since}`, `${kept}The page goes on by itself when it answers again; it says nothing of the workers, which may be well.`, where);
    keyed(at("problems"), [], String, () => null, () => {});
  }

  #write(level, text, detail, where) {
    set(at("verdict"), { "data-level": level });
    set(this.#icon, { d: LEVELS[level].path });
    sayProse(at("verdict-text"), text.replace(/(\d) (?=(s|min|h|days|records)\b)/g, "$1\u00a0")); // No line ends before a unit.
    sayProse(at("verdict-detail"), detail);
    const title = `${LEVELS[level].sign}${text.replaceAll("`", "")}${where ? ` – ${where}` : ""}`;
    if (document.title !== title) document.title = title;
    this.#favicon(level);
    // A screen reader hears another sentence, and not that a second has passed in it.
    const gist = `${level} ${text.replace(/[\d:.,]+/g, "")}`;
    if (gist !== this.#told) say(at("announcement"), text.replaceAll("`", ""));
    this.#told = gist;
  }

  #favicon(level) {
    const { path, colour } = LEVELS[level];
    const icon = drawn("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: "0 0 24 24" },
      drawn("circle", { cx: 12, cy: 12, r: 12, fill: colour }),
      drawn("path", { d: path, fill: "none", stroke: "#fff", "stroke-width": 3, "stroke-linecap": "round" }));
    set(at("icon"), { href: `data:image/svg+xml,${encodeURIComponent(icon.outerHTML)}` });
  }
}
