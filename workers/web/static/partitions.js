// The table of the partitions: the same as the bands, in figures. Filled only while it is open.

import { at, element, keyed, say, set } from "./dom.js";
import { count, duration, shortened } from "./format.js";

const LONGEST = 40;

export function showPartitions(partitions, slots) {
  if (!at("figures").open) return;
  // From the heartbeats, which change at once; the broker's answer is older.
  const owners = new Map(slots.flatMap(({ name, partitions: owned }) => Object.entries(owned ?? {}).flatMap(([topic, numbers]) => numbers.map((number) => [`${topic}-${number}`, name]))));
  const several = new Set((partitions ?? []).map(({ topic }) => topic)).size > 1;
  const make = () => element("tr", {}, element("th", { scope: "row" }), ...Array.from({ length: 6 }, () => element("td")));
  keyed(at("partitions"), partitions ?? [], keyOf, make, (row, part) => {
    const owner = owners.get(keyOf(part));
    const cells = [
      several ? shortened(keyOf(part), LONGEST) : String(part.partition),
      owner ?? "unassigned",
      count(part.readable),
      part.readable === 0 ? "" : duration(part.seconds),
      count(part.committed),
      count(part.end),
      unreadable(part),
    ];
    cells.forEach((text, i) => say(row.cells[i], text));
    set(row, { "data-partition": keyOf(part), title: several ? keyOf(part) : null });
    set(row.cells[1], { class: owner ? null : "bad" });
    set(row.cells[6], { class: part.end === null || part.unstable ? "bad" : null });
  });
  at("no-partitions").hidden = Boolean(partitions?.length);
}

const keyOf = ({ topic, partition }) => `${topic}-${partition}`;

/* What Kafka has acknowledged and does not return yet: an open transaction is before it. */
function unreadable(part) {
  if (part.end === null) return "no answer";
  return part.unstable ? `${count(part.unstable)}, for ${duration(part.unstable_seconds)}` : "";
}
