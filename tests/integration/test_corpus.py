"""Every row of the corpus in one run, through a real Kafka and a real FerretDB, by a real worker; and once more.

The row of 17 MiB is sent as it is: the topic is created with `max.message.bytes` for it. Where the broker's own limit
of 1 MiB is left alone, such a record never gets that far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from tests.corpus.corpus import CORPUS, REFUSED_BY_FERRETDB, Case
from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers
from workers.sinks.mongodb.dead_letters import KEPT_VALUE_BYTES
from workers.types import RejectReason

pytestmark = pytest.mark.integration

SETTINGS = {"WORKERS_MIN_REJECT_RECORDS": "1000000"}
"""A corpus of mostly rejects is what the reject limit is there to stop."""
MESSAGE_BYTES = str(20 << 20)
ODD_HEADERS = [
    {"key": None},
    {"key": b"\xff\xfe\x00"},
    {"headers": [("h", b""), ("h", b"\xff")]},
    {"headers": [(f"h{number}", b"x") for number in range(10_000)]},
]
"""Row 45: what comes beside a value is never decoded, and no part of an id. A header that is null cannot be sent by this
client: tests/unit/test_dead_letter.py has that one."""


def reason(case: Case) -> RejectReason | None:
    return RejectReason.REFUSED_BY_SERVER if str(case) in REFUSED_BY_FERRETDB else case.reason


def kinds(kept: Any) -> list[tuple[bool, bool]]:
    """Whether each value is a boolean, and whether it is a double: in Python 1 == 1.0 == True."""
    return [(isinstance(value, bool), isinstance(value, float)) for value in kept.values()]


class Sent:
    """What was sent to the one partition, in order, by offset."""

    def __init__(self, workers: PlainWorkers) -> None:
        self.cases: dict[int, Case] = {}
        self.neighbours: dict[int, int] = {}
        self.with_headers: dict[int, dict[str, Any]] = {}
        for number, case in enumerate(CORPUS):
            self._neighbour(workers, number)
            # The client sends a null value only with a key.
            (offset,) = workers.send(0, case.value, key=b"key" if case.value is None else None)
            self.cases[offset] = case
        self._neighbour(workers, len(CORPUS))
        for options in ODD_HEADERS:
            for value in (b'{"odd": 1}', b"odd"):
                (offset,) = workers.send(0, value, **options)
                self.with_headers[offset] = options
        self.end = len(self.cases) + len(self.neighbours) + len(self.with_headers)

    def _neighbour(self, workers: PlainWorkers, number: int) -> None:
        (offset,) = workers.numbers(0, number, 1)
        self.neighbours[offset] = number


@pytest.fixture(scope="module")
def workers(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path_factory.mktemp("corpus"), SETTINGS) as workers:
        workers.create(1, max_message_bytes=MESSAGE_BYTES)
        yield workers


@pytest.fixture(scope="module")
def sent(workers: PlainWorkers) -> Sent:
    """All of it sent, read, committed, by a worker that is still there."""
    sent = Sent(workers)
    assert workers.kafka.ends() == {0: sent.end}
    workers.start()
    workers.wait_committed({0: sent.end}, 120)
    return sent


def by_offset(found: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {int(each["_id"].rpartition("/")[2]): each for each in found}


def test_the_worker_lives_and_every_neighbour_is_stored(workers: PlainWorkers, sent: Sent) -> None:
    assert workers.alive()
    assert workers.log().count("event=started") == 1
    documents = by_offset(workers.contents()[0])
    assert {offset: documents[offset]["number"] for offset in sent.neighbours} == sent.neighbours


def test_every_payload_ends_as_its_row_says(workers: PlainWorkers, sent: Sent) -> None:
    documents, letters = map(by_offset, workers.contents())
    assert not set(documents) & set(letters)
    assert set(documents) | set(letters) == set(range(sent.end))
    told = {offset: letters[offset]["reason"] if offset in letters else None for offset in sent.cases}
    right = {offset: reason(case) for offset, case in sent.cases.items()}
    wrong = {str(sent.cases[offset]): found for offset, found in told.items() if found != right[offset]}
    assert wrong == {}
    for offset, case in sent.cases.items():
        if offset in documents and case.kept is not None:
            kept = {name: value for name, value in documents[offset].items() if name != "_id"}
            assert kept == case.kept, case
            assert kinds(kept) == kinds(case.kept), case


def test_every_dead_letter_has_the_raw_bytes_of_its_record(workers: PlainWorkers, sent: Sent) -> None:
    letters = by_offset(workers.contents()[1])
    for offset, letter in letters.items():
        if offset in sent.with_headers:
            continue
        value = sent.cases[offset].value
        assert letter["value"] == (None if value is None else value[:KEPT_VALUE_BYTES]), sent.cases[offset]
        assert letter["value_bytes"] == (None if value is None else len(value))
        assert letter["value_sha256"] == (None if value is None else hashlib.sha256(value).hexdigest())
        assert (letter["topic"], letter["partition"], letter["offset"]) == (workers.topic, 0, offset)
        assert letter["error"]
        assert len(letter["error"].splitlines()) == 1
    assert any(letter["value_bytes"] and letter["value_bytes"] > KEPT_VALUE_BYTES for letter in letters.values())


def test_keys_and_headers_are_kept_as_they_are(workers: PlainWorkers, sent: Sent) -> None:
    documents, letters = map(by_offset, workers.contents())
    assert len(set(sent.with_headers) & set(documents)) == len(ODD_HEADERS)
    for offset, options in sent.with_headers.items():
        if offset in letters:
            letter = letters[offset]
            kept = [(each["key"], each["value"]) for each in letter["headers"]]
            assert (letter["reason"], letter["value"], letter["key"]) == ("not_json", b"odd", options.get("key"))
            assert kept == options.get("headers", [])[: len(kept)]
            assert len(kept) == len(options.get("headers", [])) or len(kept) > 1000


@pytest.mark.usefixtures("sent")
def test_no_payload_is_logged(workers: PlainWorkers) -> None:
    for canary in ("forged", "ERROR root", "evil", "hello", "\x1b[2J", "xxxxxxxxxx"):
        assert canary not in workers.log()


def test_a_replay_of_the_whole_partition_changes_nothing(workers: PlainWorkers, sent: Sent) -> None:
    before = workers.contents()
    verdict = workers.verify()
    counts = (verdict.code, verdict.total("kafka"), verdict.total("stored"), verdict.total("dead_lettered"))
    assert counts == (0, sent.end, len(before[0]), len(before[1]))
    assert workers.stop() == 0

    workers.forget_commits()
    workers.start()
    workers.wait_committed({0: sent.end}, 120)

    assert workers.contents() == before
    assert workers.total("workers_records_total", outcome="duplicate") == sent.end
    assert workers.total("workers_records_total") == sent.end
    assert workers.alive()
    assert workers.verify() == verdict
    assert list(chain.from_iterable(verdict.report["partitions"][0]["offsets"].values())) == []
