"""docs/reference/events.md: the events of the fleet, and the ways in which a worker hangs."""

from __future__ import annotations

from docs.generate.markdown import code, meanings, page, table
from workers.state.event_log import BACKUPS, SIZE, Event, Hang

HEAD = f"""
The watchdog keeps what happens to the processes of the fleet in `var/log/events.jsonl`: one JSON object a line, in the
order of time. A file has at most {SIZE // 1024 // 1024} MiB; {BACKUPS} older ones are kept (`.1`, `.2`). `workers status`
and the page show the last ones in words.

Every event has `time` (when it happened, in UTC with milliseconds, and not when it was read) and `event`, one of the
words below. Most have `process`. Events of supervisord also have `serial`, its number, and `fleet`, the run of supervisord
to which the number belongs. None is missed while the watchdog is down: supervisord keeps up to 1,000 for it.
"""
EXAMPLE = """
A worker that was stopped by hand, found and killed by the watchdog, and started again by supervisord:

```json
{"time": "2026-11-22T19:49:05.029Z", "event": "stalled", "process": "worker_01", "kind": "stopped", "pid": 3485, "detail": "stopped by a signal"}
{"time": "2026-11-22T19:49:05.061Z", "event": "exited", "process": "worker_01", "pid": 3485, "expected": false, "fleet": "3269-1402288", "serial": 16}
{"time": "2026-11-22T19:49:05.065Z", "event": "starting", "process": "worker_01", "fleet": "3269-1402288", "serial": 17}
```
"""
HANGS = """
## How a worker hangs

The `kind` of a `stalled` event. The watchdog looks every five seconds, and kills a worker that hangs in two looks in a row.
An idle worker does not hang, and neither does one that waits while Kafka or MongoDB is unavailable.
"""


def make() -> str:
    events = table(
        ("event", "meaning, and its fields"), [[code(str(each)), text] for each, text in meanings(Event).items()]
    )
    hangs = table(("kind", "meaning"), [[code(str(each)), text] for each, text in meanings(Hang).items()])
    return page("Events", HEAD, events, EXAMPLE, HANGS, hangs)
