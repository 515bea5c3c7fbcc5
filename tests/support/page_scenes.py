"""Moments of a fleet, in the form of /fleet.json and /timeline.json: what the page must show at each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.support.many_topics import LOGS, TOPICS
from tests.support.page_story import Story
from workers.fleet.audit_words import audit_words
from workers.state.audit_file import Audit

Scene = Callable[[float, int], tuple[dict[str, Any], dict[str, Any]]]
"""Of a Unix time and the seconds that are shown: what both paths answer."""

LONG_TOPIC = "orders-of-all-shops.".ljust(200, "x") + "-europe-and-the-rest-of-the-world-by-hour-and-by-shop.v2"
MARKUP = '<img src=x onerror="document.title=1">'
EVENT_OF = {"killed": "exited", "died": "exited"}


def audited(audit: Audit, now: float) -> dict[str, Any]:
    level, words = audit_words(audit, now)
    return {**audit._asdict(), "level": level, "words": words}


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


def slots(story: Story, dead: tuple[str, ...] = (), **changes: Any) -> list[dict[str, Any]]:
    found = []
    for i, name in enumerate(story.names):
        owned: dict[str, list[int]] = {}
        for topic, number in story.of(name):
            owned.setdefault(topic, []).append(number)
        lives = name not in dead
        count = sum(map(len, owned.values()))
        found.append(
            {
                "name": name,
                "state": "reading" if lives else "exited",
                "text": "reading" if lives else "killed",
                "healthy": lives,
                "problem": None if lives else f"{name}: killed",
                "pid": 20_352 + i if lives else None,
                "uptime_seconds": 2_280.0 if lives else None,
                "restarts": 0,
                "partitions": owned if lives else {},
                "halted_partitions": {},
                "records_per_second": story.rate * count * (1 + i / 100) if lives else None,
                "dead_letters": 0,
            }
            | changes
        )
    return found


def fleet(story: Story, now: float, verdict: tuple[str, str, str], **changes: Any) -> dict[str, Any]:
    level, text, detail = verdict
    ends = {key: 118_583 + 10 * i for i, key in enumerate(story.bands)}
    events = [
        {
            "serial": i,
            "time": iso(now + mark["time"]),
            "event": EVENT_OF.get(mark["kind"], mark["kind"]),
            "process": mark["process"],
            "text": mark["text"],
            "seconds": mark["seconds"],
        }
        for i, mark in enumerate(sorted(story.marks, key=lambda mark: mark["time"]))
        if mark["kind"] != "back"
    ]
    status = {
        "healthy": level == "calm",
        "time": iso(now),
        "problems": [] if level == "calm" else [text],
        "services": {
            "supervisord": {"up": True, "detail": "4 of 4 workers running, auditor, lag, watchdog up; pid 8616"},
            "Kafka": {"up": True, "detail": "127.0.0.1:9092"},
            "MongoDB": {"up": True, "detail": "mongodb://127.0.0.1:27017/"},
        },
        "slots": slots(story),
        "group": {"name": "counters", "topic": "numtest", "state": "Stable"},
        "events": events[-20:],
        "fleet": True,
    }
    status |= {name: value for name, value in changes.items() if name in status}
    answer = {
        "status": status,
        "verdict": {"level": level, "text": text, "detail": detail},
        "about": {"topic": "numtest", "group": "counters", "sink": "MongoDB", "target": "numtest.numtest"},
        "totals": {"stored": sum(ends.values()), "sent": sum(ends.values()) + 780, "dead_letters": 0},
        "audit": audited(Audit(now - 1.2, now - 2.1, 711_502, done=now - 1.2), now),
        "partitions": [
            {
                "topic": topic,
                "partition": number,
                "readable": 130,
                "seconds": 0.1,
                "committed": end - 130,
                "end": end,
                "unstable": 0,
                "unstable_seconds": 0.0,
            }
            for (topic, number), end in ends.items()
        ],
        "points": [],
        "interval": 1.0,
    }
    return answer | {name: value for name, value in changes.items() if name in answer}


def clean(now: float) -> str:
    return f"Every record until {datetime.fromtimestamp(now - 2.1).astimezone():%H:%M:%S} is accounted for"


def told(story: Story, now: float, seconds: int, verdict: tuple[str, str, str], **changes: Any) -> Any:
    return fleet(story, now, verdict, **changes), story.timeline(now, seconds)


def calm(now: float, seconds: int) -> Any:
    story = Story()
    return told(story, now, seconds, ("calm", clean(now), "4 workers store 6 partitions. Nothing lost, nothing twice."))


def idle(now: float, seconds: int) -> Any:
    """A slow topic: a few records, and nothing waits."""
    story = Story()
    for i, key in enumerate(story.bands):
        for start in range(-120, 0, 30):
            story.change(key, start, start + 22.0 - 3 * i, story.bands[key][-1].worker, "idle")
    return told(story, now, seconds, ("calm", clean(now), "4 workers store 6 partitions; nothing waits."))


def hole(now: float, seconds: int) -> Any:
    """worker_01 died some time ago, and nobody has taken over yet."""
    story = Story()
    story.kill("worker_01", at=-3.2, again=99, back=99)
    verdict = (
        "attention",
        "worker_01 died 3 s ago; partitions 2 and 3 wait",
        "The others take over within some seconds.",
    )
    dead = slots(story, dead=("worker_01",))
    return told(story, now, seconds, verdict, slots=dead)


def paused(now: float, seconds: int) -> Any:
    """Somebody has paused partitions 0 and 1, which worker_00 has, half a minute ago."""
    story = Story()
    for key in story.of("worker_00")[:2]:
        story.change(key, -30, 0, "worker_00", "paused")
    verdict = (
        "attention",
        "All of numtest is paused since 02:00:00 by ann@db1: nightly backup",
        "12,345 records wait; `workers resume --topic numtest` ends it",
    )
    found = slots(story)
    found[0] |= {"state": "paused", "text": "paused", "paused_partitions": found[0]["partitions"]}
    found[1] |= {"limited_by": "WORKERS_MAX_RATE"}
    return told(story, now, seconds, verdict, slots=found)


def taken_over(now: float, seconds: int) -> Any:
    story = Story()
    story.kill("worker_01", at=-6.0, again=1.04, back=99)
    verdict = ("attention", "worker_01 died 6 s ago; its partitions are with worker_00 and worker_02", clean(now))
    dead = slots(story, dead=("worker_01",))
    return told(story, now, seconds, verdict, slots=dead)


def back(now: float, seconds: int) -> Any:
    story = Story()
    story.kill("worker_01", at=-41.0)
    detail = (
        "worker_01 was killed 41 s ago; its partitions were stored again after 1.04 s. Nothing lost, nothing twice."
    )
    found, timeline = told(story, now, seconds, ("calm", clean(now), detail))
    found["status"]["slots"][1] |= {"uptime_seconds": 38.4, "restarts": 1, "pid": 21_007}
    return found, timeline


def database_down(now: float, seconds: int) -> Any:
    story = Story()
    story.all(-42.0, 0.0, "waiting")
    story.mark(-42.0, "rebalanced", None, "MongoDB does not answer")
    verdict = (
        "act",
        "The database has not answered for 42 s",
        "Nothing is lost; 161,280 records wait. The workers hold their partitions and go on by themselves.",
    )
    services = {
        "supervisord": {"up": True, "detail": "4 of 4 workers running; pid 8616"},
        "Kafka": {"up": True, "detail": "127.0.0.1:9092"},
        "MongoDB": {"up": False, "detail": "does not answer (mongodb://127.0.0.1:27017/)"},
    }
    waiting = slots(
        story, state="database unavailable", text="database unavailable", healthy=False, records_per_second=0.0
    )
    problems = [
        "MongoDB: does not answer (mongodb://127.0.0.1:27017/)",
        *(f"{name}: waiting for MongoDB" for name in story.names),
    ]
    return told(story, now, seconds, verdict, services=services, slots=waiting, problems=problems)


def stopped(now: float, seconds: int) -> Any:
    story = Story()
    for key in story.bands:
        story.change(key, -25.0, 0.0, None, "waiting")
    for name in story.names:
        story.mark(-25.0, "stopped", name, "stopped")
    gone = slots(Story(), dead=tuple(story.names), state="stopped", text="stopped")
    verdict = (
        "act",
        "No worker runs: nobody stores what arrives",
        "`supervisorctl start worker:*` starts them. 96,000 records wait; nothing is lost.",
    )
    return told(story, now, seconds, verdict, slots=gone)


def chaos(now: float, seconds: int) -> Any:
    """Six things in five seconds, twice, and more before."""
    story = Story()
    story.kill("worker_02", at=-96.0, again=1.3, back=3.1, kind="stalled")
    story.kill("worker_00", at=-58.0, again=0.9, back=2.2)
    story.kill("worker_03", at=-56.6, again=1.8, back=3.0)
    story.kill("worker_01", at=-55.9, again=2.4, back=4.1, kind="died")
    story.mark(-55.0, "rebalanced", None, "partitions moved: 00 0-2, 02 3-5")
    story.all(-31.0, -24.5, "waiting")
    story.kill("worker_02", at=-12.0, again=1.1, back=2.8)
    story.mark(-9.0, "rebalanced", None, "partitions moved: 00 0-1, 01 2-3, 02 4, 03 5")
    detail = "5 workers were killed in the last two minutes; the longest gap of a partition was 6.5 s. Nothing lost, nothing twice."
    return told(story, now, seconds, ("calm", clean(now), detail))


def many(now: float, seconds: int) -> Any:
    """120 partitions; nothing is known of most of the time."""
    story = Story(partitions=120, workers=4)
    for key in story.bands:
        story.change(key, -86_400.0, -70.0, None, "unknown")
    story.kill("worker_01", at=-41.0, again=1.31, back=3.2)
    return told(
        story, now, seconds, ("calm", clean(now), "4 workers store 120 partitions. Nothing lost, nothing twice.")
    )


def workers(now: float, seconds: int) -> Any:
    """More workers than colours, several topics."""
    story = Story(partitions=10, workers=12, topics=("orders", "refunds"))
    story.kill("worker_08", at=-30.0)
    detail = "12 workers store 20 partitions of 2 topics. Nothing lost, nothing twice."
    return told(story, now, seconds, ("calm", clean(now), detail))


def topics(now: float, seconds: int) -> Any:
    """Twenty topics of six partitions, dealt out one by one, in three routes; one topic is missing, one unroutable."""
    story = Story(partitions=6, workers=3, topics=TOPICS)
    for i, key in enumerate(story.bands):
        story.bands[key] = [story.bands[key][0]._replace(worker=story.names[i % 3])]
    story.kill("worker_01", at=-41.0, again=1.31, back=3.2)
    told_routes = routes_of({"orders": ("orders", "refunds"), "logs": LOGS, "audit.eu": ("audit.eu", "later")}, story)
    told_routes[2]["topics"][1] |= {"state": "missing", "partitions": 0, "lag": None, "records_per_second": None}
    told_routes[2] |= {"state": "missing"}
    both = {"topic": "log.both", "state": "unroutable", "problem": "the routes logs and other both match it"}
    told_routes.append({**_route("", [both]), "state": "unroutable", "partitions": 0, "lag": None})
    text = "The topic log.both is halted: no route can have it; nothing waits"
    found, timeline = told(story, now, seconds, ("act", text, "the routes logs and other both match it"))
    found["status"]["routes"] = told_routes
    found["about"] |= {"topic": "orders, logs, audit.eu", "target": "numtest"}
    return found, timeline


def routes_of(names: Mapping[str, Sequence[str]], story: Story) -> list[dict[str, Any]]:
    one = {"state": "reading", "problem": None, "partitions": 6, "lag": 780, "lag_partial": False}
    rate = {"records_per_second": 6 * story.rate}
    return [_route(label, [{"topic": topic, **one, **rate} for topic in each]) for label, each in names.items()]


def _route(label: str, topics: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(each.get(name) or 0 for each in topics) for name in ("partitions", "lag", "records_per_second")}
    filled = [
        {"partitions": 0, "lag": None, "lag_partial": False, "records_per_second": None} | each for each in topics
    ]
    return {"label": label, "collection": "{topic}", "state": "reading", "lag_partial": False, **sums, "topics": filled}


def hostile(now: float, seconds: int) -> Any:
    """Names that are too long or are markup, huge numbers, unknown words and values, a partition that stands."""
    story = Story(partitions=3, topics=(LONG_TOPIC, MARKUP))
    story.change((MARKUP, 1), -80.0, 0.0, story.names[3], "halted")
    story.change((LONG_TOPIC, 2), -60.0, -20.0, None, "unknown")
    story.change((LONG_TOPIC, 1), -30.0, -10.0, "someone@another-host", "idle")
    story.change((LONG_TOPIC, 0), -30.0, -10.0, story.names[0], "a kind of tomorrow")
    story.mark(-20.0, "a mark of tomorrow", MARKUP, MARKUP)
    story.rate = 7e9
    found, timeline = told(
        story,
        now,
        seconds,
        ("a level of tomorrow", MARKUP, LONG_TOPIC),
        totals={"stored": 2**53 - 1, "sent": None, "dead_letters": 123_456_789_012},
    )
    found["status"]["slots"][1] |= {"text": MARKUP, "records_per_second": None, "restarts": 4_000_000}
    found["about"]["topic"] = LONG_TOPIC
    found["partitions"][0] |= {"end": None, "readable": None, "seconds": None, "committed": None, "unstable": None}
    found["partitions"][1] |= {"unstable": 40, "unstable_seconds": 75.0, "readable": 0}
    found["points"] = [{"unanswered": [f"{LONG_TOPIC}-0"], "age_unknown": ["a-1", "a-2", "a-3"]}]
    lost = Audit(now, missing=12, found=((LONG_TOPIC, 3, 42, "missing"),), problem="Kafka does not answer")
    found["audit"] = audited(lost, now)
    return found, timeline


def first_minute(now: float, seconds: int) -> Any:
    story = Story(begun=-9.0)
    verdict = (
        "attention",
        "The fleet has just been started",
        "Nothing is proven yet: the auditor looks for the first time.",
    )
    return told(story, now, seconds, verdict, audit=None)


def nothing(now: float, seconds: int) -> Any:
    """No Kafka, no fleet: the page has nothing but the reason."""
    story = Story(partitions=0, workers=0)
    services = {
        "supervisord": {"up": False, "detail": "does not run here"},
        "Kafka": {"up": False, "detail": "no answer from 127.0.0.1:9092"},
        "MongoDB": {"up": False, "detail": "does not answer (mongodb://127.0.0.1:27017/)"},
    }
    verdict = ("act", "No fleet runs here", "`supervisord -c deploy/supervisord.conf` starts one.")
    changes: dict[str, Any] = {"services": services, "group": None, "audit": None, "partitions": None, "fleet": False}
    found, timeline = told(
        story, now, seconds, verdict, totals=dict.fromkeys(("stored", "sent", "dead_letters")), **changes
    )
    for name in ("stored", "sent", "waiting", "age"):
        timeline["series"][name] = [None] * len(timeline["series"]["time"])
    return found, timeline


SCENES: dict[str, Scene] = {
    each.__name__: each
    for each in (
        calm,
        idle,
        hole,
        paused,
        taken_over,
        back,
        database_down,
        stopped,
        chaos,
        many,
        workers,
        topics,
        hostile,
        first_minute,
        nothing,
    )
}
