// The page of the fleet: asks fleet.json and timeline.json once a second, and shows what they say. What the fleet is and
// does is computed in Python; here it is put where a person sees it.
//
// feed: requests, and how fresh an answer is. timeline: the plot, of bands, marks, chart, timescale, cursor and reading.
// verdict, facts, workers, events, partitions, topics: one part of the page each. dom, format, palette: elements, words, colours.

import { at, say, set } from "./dom.js";
import { showEvents } from "./events.js";
import { showProof, showServices, showSums } from "./facts.js";
import { Feed } from "./feed.js";
import { clock } from "./format.js";
import { showPartitions } from "./partitions.js";
import { Timeline } from "./timeline.js";
import { Topics } from "./topics.js";
import { Verdict } from "./verdict.js";
import { showWorkers } from "./workers.js";

const POLL_MS = 1000;
const FINE_SECONDS = 600;
const TAIL_SECONDS = 60;

const verdict = new Verdict();
let fleet = null, recent = null, now = null, lastMark = null;

const topics = new Topics(() => {
  timeline.draw();
  if (fleet) showFigures();
});
const timeline = new Timeline((topic) => topics.has(topic), () => { timelineFeed.ask(); tailFeed.ask(); });
const timelineFeed = new Feed({
  path: () => `timeline.json?seconds=${timeline.seconds}`,
  every: () => Math.max(POLL_MS, Math.min(60, timeline.seconds / 1200) * 1000),
  isWanted: () => !document.hidden,
  take: (data) => {
    timeline.show(data);
    askWhatHappened(data.marks.at(-1));
    if (fleet) showEvents(fleet.status.events, data.marks, data.now);
    if (timeline.seconds <= FINE_SECONDS) takeRecent(data);
  },
  fail: (error) => timeline.fail(`The timeline cannot be read: ${error.message}`),
});
// Where hours are shown the numbers on top are still those of this second.
const tailFeed = new Feed({
  path: () => `timeline.json?seconds=${TAIL_SECONDS}`,
  every: () => POLL_MS,
  isWanted: () => !document.hidden && timeline.seconds > FINE_SECONDS,
  take: takeRecent,
  fail: () => {},
});
const fleetFeed = new Feed({ path: () => "fleet.json", every: () => POLL_MS, take: showFleet, fail: showFreshness });

/* Something has just happened: the verdict and the workers are asked for at once, so that they tell of it together. */
function askWhatHappened(mark) {
  const isNew = mark !== undefined && lastMark !== null && mark.time > lastMark + 0.5;
  lastMark = Math.max(lastMark ?? 0, mark?.time ?? 0);
  if (isNew) fleetFeed.ask();
}

function takeRecent(data) {
  [recent, now] = [data, data.now];
  showSums(recent.series, fleet?.totals, fleet?.points?.at(-1));
}

function showFleet(data) {
  fleet = data;
  const { status, about } = data;
  // The server's clock, not this machine's.
  now = recent && timelineFeed.isLive ? recent.now : Date.parse(status.time) / 1000;
  showAbout(about);
  verdict.show(data.verdict, status.problems, about?.topic ?? "");
  showSums(recent?.series, data.totals, data.points.at(-1));
  topics.show(status.routes);
  showServices(status.services);
  showProof(data.audit);
  showEvents(status.events, timeline.marks, now);
  showFigures();
  document.body.dataset.shown = status.time;
  showFreshness();
}

function showFigures() {
  showPartitions(fleet.partitions?.filter(({ topic }) => topics.has(topic)) ?? null, fleet.status.slots);
  showWorkers(fleet.status.slots, (topic) => topics.has(topic));
}

function showAbout(about) {
  if (!about) return;
  say(at("topic"), about.topic);
  say(at("target"), about.target);
  say(at("sink"), about.sink);
  say(at("group"), about.group);
  at("where").hidden = false;
}

/* Live, or how old: what is shown may be of a fleet that nobody hears of any more. */
function showFreshness() {
  const isSilent = fleetFeed.isSilent;
  document.body.classList.toggle("silent", isSilent);
  if (isSilent) verdict.silent(fleetFeed.age, now, fleet?.about?.topic ?? "");
  const state = isSilent ? "stale" : fleetFeed.isLive ? "live" : "connecting";
  set(say(at("live"), state), { class: state });
  say(at("as-of"), now === null ? "" : `as of ${clock(now)}`);
}

at("figures").addEventListener("toggle", () => fleet && showFigures());
setInterval(showFreshness, POLL_MS);
for (const feed of [fleetFeed, timelineFeed, tailFeed]) feed.ask();
