// What happened, the latest first: the marks of the timeline, and the events that are no marks. Words are Python's.

import { at, element, keyed, say, sayProse, set } from "./dom.js";
import { after, clock } from "./format.js";

const MOST = 30;
const SAME_SECONDS = 0.05;
const REPEATED = ["running", "stopping"]; // They only repeat the event before or after them.
const BAD = ["died", "killed", "stalled", "exited", "fatal"];

/* events: of fleet.json; marks: of timeline.json, which know more: when a worker was back, and how long it took. */
export function showEvents(events, marks, now) {
  const told = marks.map(({ time, kind, process, text, seconds }) => ({ time, kind, process, text, seconds }));
  const others = events
    .filter(({ event }) => !REPEATED.includes(event))
    .map(({ time, event, process, text, seconds }) => ({ time: Date.parse(time) / 1000, kind: event, process: process ?? null, text, seconds }))
    .filter((each) => !marks.some((mark) => mark.process === each.process && Math.abs(mark.time - each.time) < SAME_SECONDS));
  const latest = [...told, ...others].sort((a, b) => b.time - a.time).slice(0, MOST);
  keyed(at("events"), latest, ({ time, kind, process }) => `${time} ${kind} ${process}`, make, (node, each) => {
    const [when, who, what, distance] = node.children;
    const isKnown = Number.isFinite(each.time);
    set(say(when, clock(each.time, { tenths: true, now })), { datetime: isKnown ? new Date(each.time * 1000).toISOString() : null });
    set(say(who, each.process ?? "fleet"), { class: BAD.includes(each.kind) ? "bad" : null });
    sayProse(what, each.text ?? each.kind);
    say(distance, after(each.seconds));
    set(node, { "data-kind": each.kind });
  });
  at("no-events").hidden = latest.length > 0;
}

const make = () => element("li", {}, element("time"), element("b"), element("span", { class: "what" }), element("span", { class: "quiet distance" }));
