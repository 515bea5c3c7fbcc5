// The workers, each in its colour: what it does, what it has, how fast it is, how long it lives.

import { at, element, keyed, say, sayProse, set } from "./dom.js";
import { count, duration, isKnown, plural, ranges, shortened } from "./format.js";
import { colourClass, numberOf, shortName } from "./palette.js";

const WORKING = ["reading", "idle", "paused"];
const TRANSIENT = ["starting", "crash-loop backoff", "joining", "waiting for MongoDB", "waiting for Kafka", "database unavailable", "stopping"];
const CHIPS = 8;
const TITLES = { halted: "halted: see its log for the reason", paused: "paused: `workers pause --list` says why" };
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
  keyed(chips, chipsOf(slot, isShown), ({ text }) => text, ({ text }) => element("span", {}, text), (chip, { kind: of }) => {
    set(chip, { class: `chip ${of ?? colourClass(slot.name)}`, title: TITLES[of] ?? null });
  });
  rate.firstChild.style.width = `${Math.round((100 * (slot.records_per_second ?? 0)) / most)}%`;
  rate.firstChild.className = colourClass(slot.name);
  const known = [
    isKnown(slot.records_per_second) ? `${count(slot.records_per_second)}/s` : null,
    slot.limited_by ? `limited by ${slot.limited_by}` : null,
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
  if (topics.length > FEW_TOPICS) {
    const countOf = (of) => topics.reduce((sum, [topic]) => sum + (of?.[topic]?.length ?? 0), 0);
    const found = [{ text: `${count(total)} of ${count(topics.length)} topics`, kind: null }];
    for (const [kind, of] of [["paused", slot.paused_partitions], ["halted", slot.halted_partitions]]) {
      if (countOf(of)) found.push({ text: `${count(countOf(of))} ${kind}`, kind });
    }
    return found;
  }
  const found = topics.flatMap(([topic, numbers]) => {
    const prefix = topics.length > 1 ? `${shortened(topic, TOPIC_LETTERS)} ` : "";
    const halted = new Set(slot.halted_partitions?.[topic] ?? []), paused = new Set((slot.paused_partitions?.[topic] ?? []).filter((number) => !halted.has(number)));
    const runs = numbers.filter((number) => !halted.has(number) && !paused.has(number));
    const texts = (some) => (total <= CHIPS ? some.map(String) : some.length ? [ranges(some)] : []);
    return [
      ...texts(runs).map((text) => ({ text: `${prefix}${text}`, kind: null })),
      ...texts([...paused]).map((text) => ({ text: `${prefix}${text} paused`, kind: "paused" })),
      ...texts([...halted]).map((text) => ({ text: `${prefix}${text} halted`, kind: "halted" })),
    ];
  });
  return found.length ? found : [];
}
