"""The line about the audit says what is proven, and never more."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from workers.cli.render_audit import audit_line
from workers.fleet.status.audit import SILENT_SECONDS
from workers.state.audit_file import Audit

NOW = datetime(2026, 11, 26, 14, 2, 35).astimezone().timestamp()
UNTIL = NOW - 4
CLEAN = Audit(NOW - 1, until=UNTIL, records=7)


@pytest.mark.parametrize(
    ("audit", "words"),
    [
        (CLEAN, "every record until 14:02:31 is accounted for"),
        (CLEAN._replace(unstable=7), "every record until 14:02:31 is accounted for"),
        (
            CLEAN._replace(until=None, since=NOW - 60, recent=UNTIL),
            "every record 14:01:35 to 14:02:31 is accounted for; older follow",
        ),
        (CLEAN._replace(until=None), "verifying what was stored; nothing is proven yet"),
        (None, "nothing is known: no auditor has run here"),
        (
            CLEAN._replace(missing=2, found=(("numtest", 3, 42, "missing"), ("numtest", 3, 43, "missing"))),
            "2 missing: `workers peek numtest/3/42` shows more",
        ),
        (
            CLEAN._replace(time=NOW - 10_800, missing=2, found=(("numtest", 3, 42, "missing"),)),
            "2 missing (said 3 h ago): `workers peek numtest/3/42` shows more",
        ),
        (CLEAN._replace(twice=1), "1 twice: `workers verify` shows more"),
        (
            CLEAN._replace(removed=1_000, removed_since=NOW - 60),
            "every other record until 14:02:31 is accounted for; 1,000 removed by Kafka",
        ),
        (
            CLEAN._replace(removed=1, removed_since=NOW - 60, problem="Kafka is away"),
            "every other record until 14:02:31; not since: Kafka is away",
        ),
        (
            CLEAN._replace(until=None, set_back=NOW - 60),
            "nothing is proven: the group was set back at 14:01:35",
        ),
        (CLEAN._replace(problem="Kafka is away"), "every record until 14:02:31; not since: Kafka is away"),
        (CLEAN._replace(until=None, problem="Kafka is away"), "nothing is verified: Kafka is away"),
        (
            CLEAN._replace(time=NOW - SILENT_SECONDS - 1),
            "every record until 14:02:31; the auditor does not answer any more",
        ),
        (CLEAN._replace(until=NOW - 86_400), "every record until 25 Nov 14:02:35 is accounted for"),
    ],
)
def test_it_is_one_line(audit, words):
    text = audit_line(audit, NOW).plain

    assert text == words
    assert len(text) <= 80


def test_what_is_found_is_told_although_the_last_round_failed():
    text = audit_line(CLEAN._replace(twice=1, problem="MongoDB is away"), NOW).plain

    assert "1 twice" in text


def test_it_looks_at_the_clock_itself():
    assert "is accounted for" in audit_line(Audit(time.time(), until=time.time())).plain
