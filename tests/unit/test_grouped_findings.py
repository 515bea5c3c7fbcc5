"""Findings about many things of one kind: what is the same is one line, and what is wrong is never lost in it."""

from __future__ import annotations

from workers.findings import Finding, Severity, ok, warning, wrong
from workers.grouped_findings import MOST_LINES, grouped

NAMES = [f"topic-{number:02d}" for number in range(20)]


def said(found: dict[str, list[Finding]]) -> list[str]:
    return [each.text for each in grouped(found, "topics")]


def test_what_is_said_of_all_is_said_once() -> None:
    found = list(grouped({name: [ok("topic.exists", "6 partitions")] for name in NAMES}, "topics"))

    assert found == [ok("topic.exists", "all 20 topics: 6 partitions")]


def test_what_names_the_topic_is_the_same_of_all_and_its_fix_names_one() -> None:
    each = {name: [warning("topic.rights", f"User:x may not read {name}", f"grant --topic {name}")] for name in NAMES}
    (found,) = grouped(each, "topics")

    assert (found.text, found.fix) == ("all 20 topics: User:x may not read each", "grant --topic topic-00")


def test_a_topic_whose_name_another_begins_with_is_not_taken_for_it() -> None:
    found = {
        "log": [ok("a", "log is fine"), ok("b", "as log.web is")],
        "log.web": [ok("a", "log.web is fine"), ok("b", "as log.web is")],
    }
    assert said(found) == ["all 2 topics: each is fine", "log: as log.web is", "as log.web is"]


def test_what_is_wrong_with_one_stands_alone_and_first() -> None:
    found = {name: [ok("topic.retention", "kept for 7 d")] for name in NAMES}
    found["topic-07"] = [wrong("topic.retention", "kept for 1 min: about to be deleted unread", "raise it")]
    first, second = grouped(found, "topics")

    assert (first.mark, first.text) == (Severity.WRONG, "topic-07: kept for 1 min: about to be deleted unread")
    assert second.text == "19 topics (topic-00, topic-01, topic-02, topic-03 and 15 others): kept for 7 d"


def test_twenty_topics_do_not_make_twenty_lines() -> None:
    found = {name: [warning("topic.retention", f"{number} d", "see why")] for number, name in enumerate(NAMES)}
    found["topic-19"] = [wrong("topic.retention", "19 d", "raise it")]
    lines = list(grouped(found, "topics"))

    assert len(lines) == MOST_LINES
    assert lines[0].mark is Severity.WRONG
    assert lines[-1].text.startswith("18 topics (topic-01, topic-02, topic-03, topic-04 and 14 others) are different, ")
