// The five numbers, the services, and the proof.

import { at, element, keyed, say, sayProse, set } from "./dom.js";
import { UNKNOWN, count, duration, isKnown, plural, shortened } from "./format.js";
import { lastKnown } from "./chart.js";

const LONGEST = 30;
const RECENT = 4; // The last second of a rate may not be complete; three before it make a number that can be read.

/* series: of the last minute or more; totals: {stored, sent, dead_letters} of all times; point: Kafka's last answer, which
   names the partitions that are in no sum. */
export function showSums(series, totals, point) {
  const now = (name) => lastKnown(series?.[name]?.slice(-RECENT)), rate = (name) => meanOf(series?.[name]?.slice(-RECENT, -1));
  const waiting = now("waiting"), age = now("age"), letters = totals?.dead_letters;
  const sums = [
    ["stored", "stored a second", count(rate("stored")), `sent ${count(rate("sent"))}`],
    ["waiting", "waiting", count(waiting), without(point?.unanswered) || (waiting === 1 ? "record" : "records")],
    ["age", "oldest waiting", waiting === 0 ? "none" : duration(age), without(point?.age_unknown)],
    ["letters", "dead letters", count(letters), letters ? "`workers dead-letters list`" : ""],
    ["total", "stored in all", count(totals?.stored), isKnown(totals?.sent) ? `of ${count(totals.sent)} sent` : ""],
  ];
  const make = ([, title]) => element("div", {}, element("dt", {}, title), element("dd", {}, element("b"), " ", element("small")));
  keyed(at("sums"), sums, ([name]) => name, make, (node, [name, , value, beside]) => {
    set(node, { "data-sum": name, "data-alarm": name === "letters" && letters ? "yes" : null });
    const [main, , small] = node.lastChild.childNodes;
    set(say(main, value), { class: value === UNKNOWN ? "unknown" : null });
    sayProse(small, value === UNKNOWN ? "" : beside);
  });
}

function meanOf(values) {
  const known = (values ?? []).filter(isKnown);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

function without(names) {
  if (!names?.length) return "";
  return `without ${names.slice(0, 2).map((name) => shortened(name, LONGEST)).join(", ")}${names.length > 2 ? ` and ${count(names.length - 2)} more` : ""}`;
}

export function showServices(services) {
  const make = ([name]) => element("li", { "data-name": name }, element("span", { class: "sign", "aria-hidden": "true" }), element("b", { class: "name" }, name), element("span", { class: "state" }), element("span", { class: "quiet facts" }));
  keyed(at("services"), Object.entries(services), ([name]) => name, make, (node, [, { up, detail }]) => {
    const [, , state, facts] = node.children;
    set(node, { "data-kind": up ? "good" : "bad" });
    set(say(state, up ? "up" : "down"), { class: `state ${up ? "good" : "bad"}` });
    say(facts, detail);
  });
}

/* What the auditor found last: see workers/state/audit_file.py; `words` are those of `workers status`. */
export function showProof(audit) {
  const lines = audit ? proof(audit) : [["", "No auditor runs. `workers verify` proves that every record is accounted for."]];
  keyed(at("proof"), lines, ([, text], i) => i, () => element("li"), (node, [kind, text]) => set(sayProse(node, text), { class: kind || null }));
}

const KINDS = { calm: "strong", attention: "", act: "bad" };

function proof(audit) {
  const words = audit.words[0].toUpperCase() + audit.words.slice(1);
  return [
    [KINDS[audit.level] ?? "", words],
    ["", `${plural(audit.records, "record")} since the auditor began`],
    ...(audit.unstable ? [["", `${plural(audit.unstable, "record")} behind an open transaction`]] : []),
    ...(audit.removed ? [["bad", `${plural(audit.removed, "record")} removed by Kafka before they were accounted for`]] : []),
  ];
}
