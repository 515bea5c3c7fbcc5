// Several topics: a line for each route or topic, and the choice of one of them, to which bands and tables are limited.
// With one topic there is neither.

import { at, element, keyed, say, set } from "./dom.js";
import { count, shortened } from "./format.js";

const ALL = "all";
const LONGEST = 48;
const GOOD = ["reading"], BUSY = ["missing", "unassigned", "paused"];

export class Topics {
  #routes = []; #choice; #known = null; #changed;

  /* changed(): other topics are chosen. The choice is in the address, so that it outlives a reload and can be sent. */
  constructor(changed) {
    this.#changed = changed;
    this.#choice = decodeURIComponent(location.hash.slice(1)) || ALL;
    at("choice").querySelector("select").addEventListener("change", ({ target }) => this.#choose(target.value));
  }

  /* routes: of the status, each with its topics. */
  show(routes) {
    this.#routes = routes ?? [];
    const topics = this.#routes.flatMap((route) => route.topics);
    const isShown = this.#routes.length > 1 || topics.length > 1;
    at("choice").hidden = at("routes-panel").hidden = !isShown;
    this.#known = this.#chosen();
    at("of-all").hidden = this.#known === ALL;
    if (!isShown) return;
    this.#options(topics);
    this.#table();
  }

  /* Whether a topic is chosen. */
  has(topic) {
    this.#known ??= this.#chosen();
    return this.#known === ALL || this.#known.has(topic);
  }

  /* The names of the chosen topics, or ALL; a choice that is not there any more is none. */
  #chosen() {
    const [kind, name] = this.#parted();
    const route = kind === "route" ? this.#routes.find(({ label }) => label === name) : null;
    if (route) return new Set(route.topics.map(({ topic }) => topic));
    const isThere = kind === "topic" && this.#routes.some(({ topics }) => topics.some(({ topic }) => topic === name));
    return isThere ? new Set([name]) : ALL;
  }

  #parted() {
    const i = this.#choice.indexOf("=");
    return [this.#choice.slice(0, i), this.#choice.slice(i + 1)];
  }

  #choose(choice) {
    this.#choice = choice;
    this.#known = null;
    history.replaceState(null, "", choice === ALL ? location.pathname : `#${encodeURIComponent(choice)}`);
    this.show(this.#routes);
    this.#changed();
  }

  #options(topics) {
    const select = at("choice").querySelector("select");
    const routes = this.#routes.filter(({ label }) => label);
    const options = [
      [ALL, "all topics"],
      ...(routes.length > 1 ? routes.map(({ label }) => [`route=${label}`, `route ${label}`]) : []),
      ...topics.map(({ topic }) => [`topic=${topic}`, topic]),
    ];
    keyed(select, options, ([value]) => value, ([value]) => element("option", { value }), (node, [, text]) => say(node, shortened(text, LONGEST)));
    const wanted = this.#chosen() === ALL ? ALL : this.#choice;
    if (select.value !== wanted) select.value = wanted;
  }

  /* All routes; of a chosen one, or where there is only one, its topics. */
  #table() {
    const [kind, name] = this.#parted(), named = this.#routes.filter(({ label }) => label);
    const route = this.#routes.length === 1 ? this.#routes[0] : kind === "route" ? this.#routes.find(({ label }) => label === name) : null;
    const rows = route
      ? route.topics.map((each) => ({ ...each, choice: `topic=${each.topic}`, name: each.topic, topics: null }))
      : [
        ...named.map((each) => ({ ...each, choice: `route=${each.label}`, name: each.label, topics: each.topics.length })),
        ...this.#routes.filter(({ label }) => !label).flatMap(({ topics }) => topics.map((each) => ({ ...each, choice: null, name: each.topic, topics: null }))),
      ];
    say(at("routes-title"), route ? (route.label && this.#routes.length > 1 ? `Topics of ${shortened(route.label, LONGEST)}` : "Topics") : "Routes");
    keyed(at("routes"), rows, ({ choice, name: key }) => `${choice} ${key}`, (row) => this.#row(row), (node, row) => {
      const [, topics, partitions, waiting, rate, state] = node.cells;
      say(topics, row.topics === null ? "" : count(row.topics));
      say(partitions, count(row.partitions));
      say(waiting, `${count(row.lag)}${row.lag_partial ? "+" : ""}`);
      say(rate, row.records_per_second === null ? "" : `${count(row.records_per_second)}/s`);
      const kindOf = GOOD.includes(row.state) ? "good" : BUSY.includes(row.state) ? "busy" : "bad";
      set(say(state, row.state), { class: kindOf, title: row.problem ?? null });
    });
  }

  #row({ choice, name }) {
    const text = shortened(name, LONGEST);
    const head = choice ? element("button", { type: "button", class: "link", title: name }, text) : element("span", { title: name }, text);
    if (choice) head.addEventListener("click", () => this.#choose(this.#choice === choice ? ALL : choice));
    return element("tr", {}, element("th", { scope: "row" }, head), ...Array.from({ length: 5 }, () => element("td")));
  }
}
