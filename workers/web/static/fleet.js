"use strict";
// Requests fleet.json once a second, and shows it. Data is inserted as text only, never as markup.

const POLL_MS = 1000;
const WORKING = ["reading", "idle"];
const TRANSIENT = ["starting", "crash-loop backoff", "joining", "waiting for MongoDB", "waiting for Kafka", "stopping"];
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);

function element(name, text, kind) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function row(name, children) {
  const node = element(name);
  node.append(...children);
  return node;
}

function number(value, digits = 0) {
  if (value === null || value === undefined) return "?";
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "?";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// The increase a second between neighbouring points; offsets of a topic that was created again begin at 0 again, and
// sums without the same partitions cannot be compared.
function rates(points, name) {
  return points.slice(1).map((point, i) => {
    const before = points[i];
    if (!point || !before || point[name] < before[name] || String(point.unanswered) !== String(before.unanswered)) return null;
    return (point[name] - before[name]) / (point.time - before.time);
  });
}

function drawn(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function chart(svg, lines, interval) {
  const width = svg.clientWidth || 300, height = svg.clientHeight || 112, bottom = height - 16, top = 14;
  const most = Math.max(1, ...lines.flatMap((line) => line.values.filter((value) => value !== null)));
  const count = Math.max(2, ...lines.map((line) => line.values.length));
  const parts = [
    drawn("line", { x1: 0, x2: width, y1: bottom, y2: bottom }),
    drawn("text", { x: 0, y: 10 }, number(most, most < 10 ? 1 : 0)),
    drawn("text", { x: 0, y: height - 3 }, `${duration((count - 1) * interval)} ago`),
    drawn("text", { x: width, y: height - 3, "text-anchor": "end" }, "now"),
  ];
  for (const line of lines) {
    let path = "", pen = "M";
    line.values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; } // Unknown is a gap, not a zero.
      const x = (width * (i + count - line.values.length)) / (count - 1), y = bottom - ((bottom - top) * value) / most;
      path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    });
    parts.push(drawn("path", { d: path || "M0 0", class: line.kind }));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...parts);
}

function slot(each) {
  const kind = WORKING.includes(each.state) && each.healthy ? "good" : TRANSIENT.includes(each.state) ? "busy" : "bad";
  const node = row("li", [
    element("b", each.name),
    element("span", each.text, `state ${kind}`),
    element("span", owned(each).length ? `partitions ${owned(each).map(([name]) => name).join(", ")}` : "no partitions"),
    element("span", `${number(each.records_per_second)} records/s`, "quiet"),
    element("span", `pid ${each.pid ?? "none"}${each.restarts === null ? "" : `, ${each.restarts} restarts`}`, "quiet"),
  ]);
  node.dataset.name = each.name;
  return node;
}

/* The partitions of a slot, as [name, key]: with one topic, the number is name enough. */
function owned(each) {
  const topics = Object.entries(each.partitions);
  return topics.flatMap(([topic, numbers]) =>
    numbers.map((n) => [topics.length > 1 ? `${topic}-${n}` : String(n), `${topic}-${n}`]));
}

function partition(part, owners, topics) {
  const key = `${part.topic}-${part.partition}`, name = topics > 1 ? key : String(part.partition);
  const owner = owners.get(key) ?? "unassigned";
  const node = row("tr", [
    element("td", name),
    element("td", owner, owner === "unassigned" ? "bad" : ""),
    element("td", number(part.readable)),
    element("td", part.readable === 0 ? "" : duration(part.seconds)),
    element("td", number(part.committed)),
    element("td", number(part.end)),
    element("td", unreadable(part), part.end === null || part.unstable ? "bad" : ""),
  ]);
  node.dataset.partition = key;
  return node;
}

/* What Kafka has acknowledged and does not return yet: an open transaction is before it. */
function unreadable(part) {
  if (part.end === null) return "no answer";
  return part.unstable ? `${number(part.unstable)}, for ${duration(part.unstable_seconds)}` : "";
}

/* A sum or a maximum, with the partitions that are not in it. */
const partial = (value, missing) => missing?.length ? `${value} without ${missing.slice(0, 3).join(", ")}${missing.length > 3 ? ", ..." : ""}` : value;

/* Who owns what. Events of before 0.1.0 have numbers only, and no topic. */
function assignment(owners) {
  const numbers = (partitions) => Array.isArray(partitions) ? partitions : owned({ partitions }).map(([name]) => name);
  return Object.entries(owners).map(([name, partitions]) => `${name} ${numbers(partitions).join(",") || "none"}`).join("; ");
}

function event(each) {
  const { time, event: what, process, fleet, serial, ...facts } = each;
  const details = Object.entries(facts).map(([key, value]) => `${key} ${key === "partitions" ? assignment(value ?? {}) : JSON.stringify(value)}`).join(", ");
  return row("li", [
    element("span", `${clock(time)} `, "quiet"),
    element("b", process ? `${process} ` : ""),
    element("span", what),
    element("span", details ? ` (${details})` : "", "quiet"),
  ]);
}

function show({ status, partitions, points, interval }) {
  const group = status.group, last = points.at(-1) ?? null;
  const stored = rates(points, "committed");
  at("where").textContent = group ? `topic ${group.topic}, group ${group.name} (${group.state})` : "";
  at("verdict").textContent = status.healthy ? "healthy" : status.fleet ? "not healthy" : "no fleet runs";
  at("verdict").className = status.healthy ? "good" : "bad";
  at("problems").replaceChildren(...status.problems.map((problem) => element("li", problem)));
  const sums = {
    "records not yet stored": partial(number(last && last.lag), last && last.unanswered),
    "age of the oldest": partial(last && !last.lag ? "none" : duration(last && last.seconds), last && last.age_unknown),
    "records stored a second": number(stored.at(-1)),
    "healthy workers": `${status.slots.filter((each) => each.healthy).length} of ${status.slots.length}`,
  };
  const tile = ([name, value]) => row("div", [element("dt", name), element("dd", value)]);
  at("sums").replaceChildren(...Object.entries(sums).map(tile));
  chart(at("rates"), [{ values: rates(points, "high_watermark"), kind: "one" }, { values: stored, kind: "two" }], interval);
  chart(at("lag"), [{ values: points.map((point) => point && point.lag), kind: "one" }], interval);
  chart(at("age"), [{ values: points.map((point) => point && point.seconds), kind: "one" }], interval);
  at("slots").replaceChildren(...status.slots.map(slot));
  // From the heartbeats, which change at once; the broker's answer is seconds old.
  const owners = new Map(status.slots.flatMap((each) => owned(each).map(([, key]) => [key, each.name])));
  const topics = new Set((partitions ?? []).map((part) => part.topic)).size;
  const rows = (partitions ?? []).map((part) => partition(part, owners, topics));
  at("partitions").replaceChildren(...(rows.length ? rows : [row("tr", [element("td", "unknown: Kafka does not answer, or there is no topic")])]));
  const service = ([name, { up, detail }]) =>
    row("li", [element("b", `${name} `), element("span", up ? "up" : "down", up ? "good" : "bad"), element("span", ` ${detail}`, "quiet")]);
  at("services").replaceChildren(...Object.entries(status.services).map(service));
  at("events").replaceChildren(...status.events.toReversed().map(event));
}

async function refresh() {
  try {
    const answer = await fetch("fleet.json", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    document.body.classList.remove("silent");
    document.body.dataset.shown = Date.now();
  } catch (error) {
    document.body.classList.add("silent");
    at("verdict").className = "bad";
    at("verdict").textContent = "`workers lag` does not answer; this is its last answer";
  }
  setTimeout(refresh, document.hidden ? 5 * POLL_MS : POLL_MS);
}

refresh();
