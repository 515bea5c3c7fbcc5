// The workers, each in its colour: what it does, what it has, how fast it is, how long it lives.

import { at, element, keyed, say, sayProse, set } from "./dom.js";
import { count, duration, isKnown, plural, ranges, shortened } from "./format.js";
import { colourClass, numberOf, shortName } from "./palette.js";

const WORKING = ["reading", "idle"];
const TRANSIENT = ["starting", "crash-loop backoff", "joining", "waiting for MongoDB", "waiting for Kafka", "database unavailable", "stopping"];
const CHIPS = 8;
const TOPIC_LETTERS = 20;
const FEW_TOPICS = 4;

/* isShown(topic): whether it is chosen; the partitions of others are left out. */
export function showWorkers(slots, isShown = () => true) {
  const most = Math.max(1, ...slots.map((slot) => slot.records_per_second ?? 0));
  const sorted = slots.toSorted((a, b) => numberOf(a.name) - numberOf(b.name));
  keyed(at("slots"), sorted, ({ name }) => name, make, (node, slot) => update(node, slot, most, isShown));
  const well = slots.filter(({ healthy }) => healthy).length;
  say(at("slots-well"), slots.length ? `${count(well)} of ${count(slots.length)} healthy` : "none");
}

function make({ name }) {
  return element("li", { "data-name": name },
    element("span", { class: `swatch ${colourClass(name)}`, "aria-hidden": "true" }, shortName(name)),
    element("b", { class: "name" }, name),
    element("span", { class: "state" }),
    element("span", { class: "chips" }),
    element("span", { class: "rate", "aria-hidden": "true" }, element("i")),
    element("span", { class: "quiet facts" }));
}

function update(node, slot, most, isShown) {
  const [, , state, chips, rate, facts] = node.children;
  const kind = WORKING.includes(slot.state) && slot.healthy ? "good" : TRANSIENT.includes(slot.state) ? "busy" : "bad";
  set(node, { "data-kind": kind });
  set(say(state, slot.text), { class: `state ${kind}`, title: slot.problem });
  keyed(chips, chipsOf(slot, isShown), ({ text }) => text, ({ text }) => element("span", {}, text), (chip, { isHalted }) => {
    set(chip, { class: `chip ${isHalted ? "halted" : colourClass(slot.name)}`, title: isHalted ? "halted: see its log for the reason" : null });
  });
  rate.firstChild.style.width = `${Math.round((100 * (slot.records_per_second ?? 0)) / most)}%`;
  rate.firstChild.className = colourClass(slot.name);
  const known = [
    isKnown(slot.records_per_second) ? `${count(slot.records_per_second)}/s` : null,
    isKnown(slot.uptime_seconds) ? `up ${duration(slot.uptime_seconds)}` : null,
    slot.restarts ? plural(slot.restarts, "restart") : null,
    slot.pid ? `pid ${slot.pid}` : null,
  ].filter(Boolean);
  const why = (slot.problem ?? "").replace(`${slot.name}: `, "");
  sayProse(facts, slot.pid || why === slot.text ? known.join(" · ") : why);
}

/* Its partitions: one chip each, or ranges where they are many, or how many where their topics are. */
function chipsOf(slot, isShown) {
  const topics = Object.entries(slot.partitions ?? {}).filter(([topic]) => isShown(topic)), total = topics.reduce((sum, [, numbers]) => sum + numbers.length, 0);
  const halted = slot.halted_partitions ?? {};
  if (topics.length > FEW_TOPICS) {
    const stand = topics.reduce((sum, [topic]) => sum + (halted[topic]?.length ?? 0), 0);
    const all = [{ text: `${count(total)} of ${count(topics.length)} topics`, isHalted: false }];
    return stand ? [...all, { text: `${count(stand)} halted`, isHalted: true }] : all;
  }
  const found = topics.flatMap(([topic, numbers]) => {
    const prefix = topics.length > 1 ? `${shortened(topic, TOPIC_LETTERS)} ` : "";
    const stands = new Set(halted[topic] ?? []), runs = numbers.filter((number) => !stands.has(number));
    const texts = (some) => (total <= CHIPS ? some.map(String) : some.length ? [ranges(some)] : []);
    return [
      ...texts(runs).map((text) => ({ text: `${prefix}${text}`, isHalted: false })),
      ...texts([...stands]).map((text) => ({ text: `${prefix}${text} halted`, isHalted: true })),
    ];
  });
  return found.length ? found : [];
}
