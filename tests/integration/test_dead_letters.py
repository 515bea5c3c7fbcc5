"""`workers dead-letters`, the real command on a real database: find, try again, throw away; `verify` stays green."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.user import BIN
from workers.settings import load
from workers.web.totals import Totals

pytestmark = pytest.mark.integration

LARGE = b'{"number": 7, "text": "%s"}' % (b"x" * 500)
"""Too large for the worker of these tests, and not by default."""
SMALL = {"WORKERS_MAX_VALUE_BYTES": "100", "WORKERS_MIN_REJECT_RECORDS": "1000000"}


@pytest.fixture(scope="module")
def served(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainWorkers]:
    """Partition 0: two good numbers, LARGE, no JSON. Partition 1: no JSON, no UTF-8. All of it read."""
    with PlainWorkers(stack, tmp_path_factory.mktemp("letters")) as workers:
        workers.kafka.create(2)
        workers.send(0, b'{"number": 1}', LARGE, b"no json", b'{"number": 2}')
        workers.send(1, b"nor this", b"\xff")
        workers.start(**SMALL)
        workers.wait_committed({0: 4, 1: 2})
        assert workers.stop() == 0
        yield workers


@pytest.fixture
def done(served: PlainWorkers) -> Iterator[PlainWorkers]:
    """The same for every test: what one changed is put back."""
    documents, letters = served.contents()
    assert (len(documents), len(letters)) == (2, 4)
    yield served
    for collection, before in ((served.numtest, documents), (served.letters, letters)):
        collection.delete_many({})
        collection.insert_many(before)


def letter(workers: PlainWorkers, reason: str, partition: int = 0) -> dict[str, Any]:
    found = workers.letters.find_one({"reason": reason, "partition": partition})
    assert found is not None
    return found


def on_the_page(workers: PlainWorkers) -> int | None:
    """How many dead letters the page counts."""
    totals = Totals(load(mongodb_uri=workers.mongodb_uri, database=workers.database))
    totals.start()
    try:
        wait_until(lambda: totals.as_dict(None)["dead_letters"] is not None, 10, "they are counted")
        return totals.as_dict(None)["dead_letters"]
    finally:
        totals.stop()


def cli(workers: PlainWorkers, *arguments: str, code: int = 0, **env: str) -> list[str]:
    """The lines of `workers dead-letters ...`, or its error where that is the exit code for a mistake."""
    ran = workers.command("dead-letters", *arguments, env=env)
    assert ran.returncode == code, (ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stderr
    return (ran.stderr if code == 64 else ran.stdout).splitlines()


def listed(workers: PlainWorkers, *arguments: str) -> list[tuple[str, int]]:
    lines = [json.loads(line) for line in cli(workers, "list", "--json", *arguments)]
    return [(each["reason"], each["partition"]) for each in lines]


ALL = [("not_json", 0), ("not_json", 1), ("not_utf8", 1), ("too_large", 0)]
NOW = datetime.now(UTC)
LATER, BEFORE = (NOW + timedelta(days=2)).isoformat(), (NOW - timedelta(days=2)).isoformat()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ALL),
        (["--reason", "not_json"], ALL[:2]),
        (["--partition", "1"], ALL[1:3]),
        (["--reason", "not_json", "--partition", "1"], ALL[1:2]),
        (["--since", BEFORE], ALL),
        (["--since", "2h", "--until", LATER], ALL),
        (["--since", LATER], []),
        (["--until", BEFORE], []),
        (["--until", "3d"], []),
        (["--since", "2020-01-31"], ALL),
        (["--reason", "conflict"], []),
    ],
)
def test_list_shows_what_the_filter_lets_through(
    served: PlainWorkers, arguments: list[str], found: list[tuple[str, int]]
) -> None:
    assert sorted(listed(served, *arguments)) == found
    told = cli(served, "list", *arguments)
    if not found:
        assert told == ["no dead letter matches"]
    else:
        assert len(told) == 1 + len(found)
        assert all(any(reason in line for line in told) for reason, _ in found)


def test_list_shows_no_more_than_the_limit_and_says_how_many_there_are(served: PlainWorkers) -> None:
    assert len(listed(served, "--limit", "3")) == 3
    told = cli(served, "list", "--limit", "3")
    assert (len(told), told[-1]) == (5, "3 of 4; --limit shows more")


def test_list_shows_the_beginning_of_each_value(served: PlainWorkers) -> None:
    lines = cli(served, "list")
    column = lines[0].index("value")
    begun = {line.split()[0].rpartition("-")[2].partition("/")[2]: line[column:].split("  ")[0] for line in lines[1:]}
    assert begun["0/2"] == "no json"
    assert begun["1/0"] == "nor this"
    assert begun["1/1"] == "\\xff"
    assert begun["0/1"].startswith('{"number": 7, "text": "xxx')
    assert len(begun["0/1"]) == 40
    assert [line for line in lines if line != line.rstrip()] == []


def test_show_is_for_people(served: PlainWorkers) -> None:
    kept = letter(served, "not_json", 0)
    lines = cli(served, "show", kept["_id"])
    assert lines[0] == kept["_id"]
    shown = {line[2:15].strip(): line[15:] for line in lines[1:]}
    assert (shown["reason"], shown["error"], shown["value"]) == ("not_json", kept["error"], "no json")
    assert shown["place"].startswith(f"{served.topic}/0/2 ")
    assert f"`workers dead-letters replay {kept['_id']} --dry-run`" in " ".join("".join(lines).split())


def test_show_gives_one_whole(served: PlainWorkers) -> None:
    kept = letter(served, "not_utf8", 1)
    shown = json.loads("\n".join(cli(served, "show", "--json", kept["_id"])))
    assert {name: shown[name] for name in ("_id", "reason", "error", "offset", "attempts", "worker")} == {
        "_id": kept["_id"],
        "reason": "not_utf8",
        "error": kept["error"],
        "offset": 1,
        "attempts": 1,
        "worker": "worker_00",
    }
    assert shown["value"]["$binary"]["base64"] == "/w=="


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "no-such-id"],
        ["replay", "no-such-id"],
        ["purge", "--yes", "no-such-id"],
        ["replay"],
        ["purge", "--yes"],
        ["list", "--since", "yesterday"],
        ["list", "--since", "999999d"],
        ["list", "--since", "0001-01-01"],
        ["list", "--reason", "bad_luck"],
        ["list", "--limit", "0"],
        ["list", "--partition", "-1"],
    ],
)
def test_a_mistake_is_told_in_one_line_and_changes_nothing(served: PlainWorkers, arguments: list[str]) -> None:
    before = served.contents()
    told = cli(served, *arguments, code=64)
    assert len(told) == 1, told
    assert told[0].startswith("workers: ")
    assert arguments[-1] != "no-such-id" or "no-such-id" in told[0]
    assert served.contents() == before


def test_a_filter_that_matches_nothing_is_no_mistake(served: PlainWorkers) -> None:
    before = served.contents()
    assert cli(served, "list", "--partition", "99") == ["no dead letter matches"]
    assert cli(served, "replay", "--reason", "conflict") == ["no dead letter to replay matches"]
    assert cli(served, "purge", "--reason", "conflict", "--yes") == ["no dead letter matches"]
    assert served.contents() == before


def test_a_record_that_is_good_today_is_stored_under_its_own_id_and_once(done: PlainWorkers) -> None:
    kept = letter(done, "too_large")
    assert cli(done, "replay", "--reason", "too_large") == ["1 are stored, 0 fail again"]

    assert done.numtest.find_one({"_id": kept["_id"]}) == {"_id": kept["_id"], "number": 7, "text": "x" * 500}
    again = letter(done, "too_large")
    assert {**again, "replayed_at": None} == {**kept, "attempts": 2, "replayed_at": None}
    assert again["replayed_at"] >= kept["rejected_at"]
    assert on_the_page(done) == 3, "without the one that is stored now"
    verdict = done.verify()
    assert (verdict.code, verdict.total("stored"), verdict.total("dead_lettered")) == (0, 3, 3)

    before = done.contents()
    assert cli(done, "replay", kept["_id"]) == ["no dead letter to replay matches"]
    assert done.contents() == before
    assert "replayed" in "\n".join(cli(done, "list"))


def test_a_record_that_fails_again_stays_with_its_new_error(done: PlainWorkers) -> None:
    kept = letter(done, "too_large")
    told = cli(done, "replay", kept["_id"], code=1, WORKERS_MAX_VALUE_BYTES="50")
    again = letter(done, "too_large")
    assert told == [f"{kept['_id']}: {again['error']}", "0 are stored, 1 fail again"]
    assert again == {**kept, "attempts": 2, "error": again["error"]}
    assert again["error"] != kept["error"]

    lines = cli(done, "replay", "--all", "--json", code=1)
    outcomes = {each["id"]: each["error"] for each in map(json.loads, lines)}
    assert (len(outcomes), outcomes[kept["_id"]]) == (4, None)
    assert (done.numtest.count_documents({}), done.verify().code) == (3, 0)


def test_a_dry_run_changes_nothing(done: PlainWorkers) -> None:
    before = done.contents()
    assert cli(done, "replay", "--reason", "too_large", "--dry-run") == ["1 would be stored, 0 fail again"]
    assert cli(done, "replay", "--all", "--dry-run", code=1)[-1] == "1 would be stored, 3 fail again"
    assert cli(done, "purge", "--all", "--dry-run") == ["4 dead letters would be purged"]
    assert done.contents() == before


def test_a_replay_that_was_interrupted_before_its_mark_is_completed(done: PlainWorkers) -> None:
    kept = letter(done, "too_large")
    done.numtest.insert_one({"_id": kept["_id"], "number": 7, "text": "x" * 500})
    assert done.verify().code == 1, "both, until it is completed"
    assert cli(done, "replay", kept["_id"]) == ["1 are stored, 0 fail again"]
    assert letter(done, "too_large")["replayed_at"]
    assert (done.numtest.count_documents({}), done.verify().code) == (3, 0)


def test_another_document_under_the_id_is_a_conflict_and_stays_as_it_is(done: PlainWorkers) -> None:
    kept = letter(done, "too_large")
    stranger = {"_id": kept["_id"], "number": 8}
    done.numtest.insert_one(stranger)
    assert cli(done, "replay", kept["_id"], code=1)[-1] == "0 are stored, 1 fail again"
    assert letter(done, "conflict")["attempts"] == 2
    assert done.numtest.find_one({"_id": kept["_id"]}) == stranger
    verdict = done.verify()
    assert (verdict.code, verdict.total("conflicting")) == (1, 1)


def test_purge_asks_nobody_where_nobody_can_be_asked(done: PlainWorkers) -> None:
    before = done.contents()
    (told,) = cli(done, "purge", "--all", code=64)
    assert "4 dead letters" in told
    assert "--yes" in told
    assert done.contents() == before


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 130), (b"y\n", 0)])
def test_purge_asks_on_a_terminal(done: PlainWorkers, answer: bytes, code: int) -> None:
    before = done.contents()
    mine, theirs = pty.openpty()
    try:
        purge = subprocess.Popen(
            [str(BIN / "workers"), "dead-letters", "purge", "--partition", "1"],
            env=done.environment,
            cwd=done.folder,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        os.write(mine, answer)
        said, _ = purge.communicate(timeout=30)
    finally:
        os.close(mine)
        os.close(theirs)
    assert purge.returncode == code, said
    assert b"purge 2 dead letters? [y/N]" in said
    purged = done.letters.count_documents({"purged_at": {"$exists": True}})
    assert purged == (0 if code else 2)
    assert code == 0 or done.contents() == before


def test_what_was_thrown_away_stays_as_a_note_and_is_accounted_for(done: PlainWorkers) -> None:
    kept = letter(done, "not_utf8", 1)
    cli(done, "replay", "--reason", "too_large")
    # Each count is of what was done, and the second time nothing is.
    assert cli(done, "purge", "--reason", "not_json", "--partition", "0", "--yes") == [
        "1 dead letters were purged: of 1 only the payload, because their records are not stored: a note stays"
    ]
    assert cli(done, "purge", "--all", "--dry-run") == ["3 dead letters would be purged; 1 were purged before"]
    assert done.letters.count_documents({"purged_at": {"$exists": True}}) == 1
    (told,) = cli(done, "purge", "--all", "--yes")
    assert told == (
        "3 dead letters were purged: 1 deleted, because their records are stored; of 2 only the payload, because their "
        "records are not stored: a note stays; 1 were purged before"
    )
    after = done.contents()
    assert cli(done, "purge", "--all", "--yes") == ["no dead letter to purge matches; 3 were purged before"]
    assert done.contents() == after

    note = letter(done, "not_utf8", 1)
    assert note == {
        **{name: value for name, value in kept.items() if name not in ("value", "key", "headers")},
        "purged_at": note["purged_at"],
    }
    assert done.letters.count_documents({"reason": "too_large"}) == 0, "its document is there, so no note is needed"
    verdict = done.verify()
    assert (verdict.code, verdict.total("stored"), verdict.total("dead_lettered")) == (0, 3, 3)
    told = cli(done, "replay", note["_id"], code=1)
    assert told == [f"{note['_id']}: its payload was purged", "0 are stored, 1 fail again"]
    assert json.loads("\n".join(cli(done, "show", "--json", note["_id"])))["purged_at"]
    assert "its payload was purged" in "".join(cli(done, "show", note["_id"]))
