"""`workers peek`, the real command on a real Kafka and a real database: each record beside what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.terminal import Terminal
from tests.support.user import BIN
from tests.unit.cli.test_payload import HOSTILE, is_harmless

pytestmark = pytest.mark.integration

NEVER_REJECT = {"WORKERS_MIN_REJECT_RECORDS": "1000000"}


@pytest.fixture(scope="module")
def served(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainWorkers]:
    """Partition 0 is read, and then damaged by hand; partition 1 holds an aborted transaction, and one that is open; partition
    2 has lost its beginning.
    """
    with PlainWorkers(stack, tmp_path_factory.mktemp("peek")) as workers:
        workers.kafka.create(4)
        workers.send(0, b'{"number": 0}', b'{"number": 1}', b'{"number": 2}', b'{"number": 3}')
        workers.send(0, HOSTILE.encode(), key=b"\xff\x00", headers=[("trace", b"4bf9"), ("\u202e", b"\x1b")])
        workers.send(0, None, key=b"gone")
        workers.send(0, *[b'{"number": %d, "text": "%s"}' % (n, b"x" * 400) for n in range(6, 9)])
        _abort(stack, workers.topic, 1, b'{"number": 1}')
        # Its marker is written after the producer has its answer.
        wait_until(lambda: workers.kafka.ends().get(1) == 2, 30, "the transaction has its marker")
        workers.numbers(1, 10, 1)
        workers.numbers(2, 0, 4)
        workers.start(**NEVER_REJECT)
        workers.wait_committed({0: 9, 1: 3, 2: 4})
        assert workers.stop() == 0
        workers.numtest.delete_one({"_id": _id(workers, 0, 1)})
        workers.numtest.update_one({"_id": _id(workers, 0, 2)}, {"$set": {"number": 22}})
        kept = workers.letters.find_one({"offset": 4})
        assert kept is not None
        workers.letters.insert_one({**kept, "_id": _id(workers, 0, 3), "offset": 3})
        workers.delete_records(2, 3)
        workers.numbers(0, 9, 2)
        yield workers


def _id(workers: PlainWorkers, partition: int, offset: int) -> str:
    document = workers.numtest.find_one({"number": 0})
    assert document is not None
    return f"{document['_id'].partition('/')[0]}/{partition}/{offset}"


def _abort(stack: EmbeddedStack, topic: str, partition: int, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, transactional_id=f"{topic}-peek")
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, value, partition=partition).get(30)
        producer.abort_transaction()
    finally:
        producer.close(timeout=5)


def peek(workers: PlainWorkers, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    ran = workers.command("peek", "--json", *arguments)
    assert (ran.returncode, ran.stderr) == (code, ""), ran
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_each_record_is_told_with_what_became_of_it(served: PlainWorkers) -> None:
    found = {each["offset"]: each for each in peek(served, f"{served.topic}/0", "--last", "1000", code=1)}
    assert {offset: each["outcome"] for offset, each in found.items()} == {
        0: "stored",
        1: "missing",
        2: "conflicting",
        3: "twice",
        4: "dead_lettered",
        5: "dead_lettered",
        **dict.fromkeys(range(6, 9), "stored"),
        **dict.fromkeys(range(9, 11), "pending"),
    }
    assert [each["id"] for each in found.values()] == [_id(served, 0, offset) for offset in range(11)]
    stored, conflicting, hostile = found[0], found[2], found[4]
    assert (stored["record"]["value"], stored["document"]) == ('{"number": 0}', {"_id": stored["id"], "number": 0})
    assert (conflicting["document"]["number"], conflicting["expected"]["number"]) == (22, 2)
    assert hostile["record"]["value"] == HOSTILE
    assert hostile["record"]["key"] == {"$binary": {"base64": "/wA=", "subType": "00"}}
    assert hostile["record"]["headers"] == [{"key": "trace", "value": "4bf9"}, {"key": "\u202e", "value": "\x1b"}]
    assert hostile["dead_letter"]["reason"] == "not_json"


@pytest.mark.parametrize(("offset", "outcome", "code"), [(0, "stored", 0), (1, "missing", 1), (11, "not written", 1)])
def test_one_place_is_told_by_the_exit_code_too(served: PlainWorkers, offset: int, outcome: str, code: int) -> None:
    (found,) = peek(served, f"0/{offset}", code=code)
    assert (found["topic"], found["partition"], found["offset"], found["outcome"]) == (served.topic, 0, offset, outcome)


def test_every_form_of_a_place_leads_to_it(served: PlainWorkers) -> None:
    document_id = _id(served, 0, 0)
    for place in ("0/0", "0:0", f"{served.topic}/0/0", document_id):
        assert [found["id"] for found in peek(served, place)] == [document_id], place
    deleted = document_id.replace(document_id.rpartition("-")[2][:8], "00000000")
    (found,) = peek(served, deleted)
    assert (found["outcome"], found["document"]) == ("earlier topic", None)


def test_the_last_records_are_those_with_the_newest_times_oldest_first(served: PlainWorkers) -> None:
    found = peek(served, "--last", "3")
    assert [(each["partition"], each["offset"]) for each in found[-2:]] == [(0, 9), (0, 10)]
    times = [each["record"]["timestamp"] for each in found]
    assert times == sorted(times)
    of_partition = peek(served, f"{served.topic}/2", "--last", "1000")
    assert [(each["partition"], each["offset"], each["outcome"]) for each in of_partition] == [(2, 3, "stored")]
    assert peek(served, f"{served.topic}/3") == []


def test_what_no_worker_can_read_is_told_as_what_it_is(served: PlainWorkers, stack: EmbeddedStack) -> None:
    (aborted,) = peek(served, "1/0")
    assert (aborted["outcome"], aborted["record"]["value"]) == ("aborted", '{"number": 1}')
    (marker,) = peek(served, "1/1", code=1)
    assert (marker["outcome"], marker["record"]) == ("no record", None)
    assert "transaction marker" in marker["detail"]
    (gone,) = peek(served, "2/0")
    assert (gone["outcome"], gone["document"]["number"], gone["record"]) == ("stored", 0, None)
    assert gone["detail"] == "Kafka has removed its record: the log starts at 3"
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, transactional_id=f"{served.topic}-open")
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(served.topic, b'{"number": 99}', partition=3).get(30)
        (unstable,) = peek(served, "3/0")
        assert (unstable["outcome"], unstable["record"]["value"]) == ("unstable", '{"number": 99}')
        producer.abort_transaction()
    finally:
        producer.close(timeout=5)


def test_on_a_terminal_nothing_of_a_payload_is_obeyed(served: PlainWorkers) -> None:
    with Terminal([str(BIN / "workers"), "peek", "0/4"], served.environment, 80) as terminal:
        assert terminal.wait(60) == 0
        lines = terminal.lines()
    assert all(is_harmless(line) for line in lines)
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:3] == [f"{served.topic}/0/4", "dead", "letter"]
    assert r"\x1b]0;gone\x07\x1b[2J" in "".join(line.strip() for line in lines)


def test_the_screen_says_what_it_shows(served: PlainWorkers) -> None:
    ran = served.command("peek", "--last", "2")
    head, *rest = ran.stdout.splitlines()
    assert head == f"the last 2 records of {served.topic}, and what became of them in {served.database}.numtest"
    assert [line.split()[:2] for line in rest if line.startswith(served.topic)] == [
        [f"{served.topic}/0/9", "pending"],
        [f"{served.topic}/0/10", "pending"],
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-topic"], "there is no topic no-such-topic"),
        (["7/0"], "has no partition 7: it has 0 to 3"),
        (["0/x"], "is not a place"),
        (["0/0", "--follow"], "one record does not change"),
    ],
)
def test_a_mistake_is_told_in_one_line(served: PlainWorkers, arguments: list[str], words: str) -> None:
    ran = served.command("peek", *arguments)
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (64, "", 1), ran
    assert words in ran.stderr


def test_it_joins_no_group_and_changes_nothing(served: PlainWorkers) -> None:
    before = (served.contents(), served.kafka.committed())
    peek(served)
    assert (served.contents(), served.kafka.committed()) == before
    assert served.kafka.admin.describe_groups([served.group])[served.group]["members"] == []


def test_verify_names_the_place_to_look_at(served: PlainWorkers) -> None:
    told = served.command("verify").stdout
    assert f"what is missing, beside what is stored: `workers peek {served.topic}/0/1`" in told
    assert "2 are dead letters: `workers dead-letters list`" in told


def test_follow_shows_each_new_record_once_with_what_became_of_it(served: PlainWorkers) -> None:
    """Last: it stores what is pending."""
    with Terminal([str(BIN / "workers"), "peek", "--follow", "--last", "1"], served.environment, 100) as terminal:
        terminal.wait_for("the last record of", 30)
        served.start(**NEVER_REJECT)
        sent = served.numbers(3, 500, 3)
        terminal.wait_for(f"{served.topic}/3/{sent[-1]}  stored", 30)
        terminal.interrupt()
        assert terminal.wait(30) == 0
        lines = terminal.lines()
    for offset in sent:
        assert sum(line.startswith(f"{served.topic}/3/{offset} ") for line in lines) == 1, lines
    assert lines[-1].endswith("records shown")
