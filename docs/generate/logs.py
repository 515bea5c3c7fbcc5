"""docs/reference/logs.md: the form of log lines, and the words to search by."""

from __future__ import annotations

from docs.generate.markdown import code, meanings, page, table
from workers.log_fields import Action

HEAD = """
Each process has a log of its own in `var/log/`: `worker_NN.log`, `watchdog.log`, `lag.log`, `auditor.log` and `supervisord.log`.
supervisord rotates them. One line is one event, as `key=value`, or as JSON with `WORKERS_LOG_FORMAT=json`. No line holds
the payload of a record or a secret, and control characters are escaped.

Every line has `time`, `level`, `worker`, `topic`, and `event`: a sentence for people. A line about partitions or records
also has:

- `action`, one of the words below: the step that the line is about.
- `partition`, or `partitions` where there are several.
- `offsets`: `0:4711-5967` is a range of offsets of partition 0. `0:<100` has no records: the log starts at 100 now.

A full disk or a closed output does not stop a worker. The next line that gets through has `dropped_lines`, the number of
lines that could not be written.
"""
SEARCH = """
Commits that failed, in the whole fleet:

<!-- exit: 0 or 1 -->
```console
$ grep -h 'action=commit' var/log/worker_*.log | grep level=warning
```

A duplicate is a record that was redelivered and found stored. The lines of the batches that had some:

<!-- exit: 0 or 1 -->
```console
$ grep -h 'duplicates=' var/log/worker_*.log
```
"""


def make() -> str:
    actions = table(
        ("action", "the line is about"), [[code(str(each)), text] for each, text in meanings(Action).items()]
    )
    return page("Log lines", HEAD, actions, "## Search them", SEARCH)
