"""The checker of the promise: every acknowledged record ends as exactly one document or one dead letter.

One checker for the model, the integration tests and the drills. It knows what was acknowledged, and it is shown what
Kafka and the database hold: always the committed offsets first, then the database. It reads values and documents by
itself, with none of the code that it judges.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import bson

NAMED = 5


class BrokenPromiseError(AssertionError):
    """What was promised and is not so."""


class Sent(NamedTuple):
    """A record that Kafka acknowledged; `poison` is what the test knows about it."""

    partition: int
    offset: int
    value: bytes | None
    poison: bool = False
    ignored: bool = False
    """It is to be committed, and to leave nothing behind: a tombstone, where those are ignored."""
    leader_epoch: int = -1


class Seen(NamedTuple):
    """What is there at one moment. Read `committed` before the rest."""

    committed: Mapping[int, int]
    documents: Mapping[str, bytes | Mapping[str, Any]]
    dead_letters: Collection[str]


@dataclass
class Oracle:
    """`prefix` is what every `_id` of the topic begins with: `numtest-08b40071/`."""

    prefix: str
    sent: dict[str, Sent] = field(default_factory=dict)
    expired: dict[int, int] = field(default_factory=dict)
    """By partition: records before this offset may have been removed before they were read."""
    begun: dict[int, int] = field(default_factory=dict)
    """By partition: the group began here, on purpose, and reads no record before. Others begin with their first record."""
    replaced: dict[str, list[Sent]] = field(default_factory=dict)
    """By the id of the offset: records that were in the log before it was truncated."""
    _cuts: dict[int, int] = field(default_factory=dict)
    _committed: dict[int, int] = field(default_factory=dict)
    _right: dict[str, bytes | Mapping[str, Any]] = field(default_factory=dict)
    """Documents that were compared already: the same object need not be compared again."""

    def acknowledged(self, sent: Sent) -> None:
        self.sent[f"{self.prefix}{sent.partition}/{sent.offset}"] = sent

    def truncated(self, partition: int, at: int) -> None:
        """The log has lost its records from here on. They may be stored, or not."""
        for key, sent in list(self.sent.items()):
            if sent.partition == partition and sent.offset >= at:
                self.replaced.setdefault(key, []).append(self.sent.pop(key))
        self._cuts[partition] = min(at, self._cuts.get(partition, at))
        if partition in self.begun:
            self.begun[partition] = min(at, self.begun[partition])

    def always(self, seen: Seen, may_go_back: Mapping[int, int] | None = None) -> None:
        """A1 to A4: what must hold at every moment, whatever fails.

        Args:
            may_go_back: by partition, where a commit with a lost answer began; the commit that repeats it may be lower.
        """
        self._nothing_lost(seen)
        self._nothing_before_the_start(seen)
        self._nothing_strange(seen)
        self._nothing_changed(seen)
        self._nothing_twice_at_reused_offsets(seen)
        self._nothing_taken_back(seen, may_go_back or {})

    def end(self, seen: Seen, may_go_back: Mapping[int, int] | None = None) -> None:
        """After healing and draining: exactly what was sent, all of it committed."""
        self.always(seen, may_go_back)
        _none(
            "never arrived",
            [
                key
                for key, sent in self.sent.items()
                if not (self._is_there(key, sent, seen) or self._leaves_nothing(sent))
            ],
        )
        there = set(seen.documents) | set(seen.dead_letters)
        _none(
            "ignored, and there all the same",
            [key for key, sent in self.sent.items() if sent.ignored and key in there and key not in self.replaced],
        )
        poison = {key for key, sent in self.sent.items() if sent.poison and key not in self.replaced}
        _none("poison that is stored as a document", poison & set(seen.documents))
        letters = {key for key in seen.dead_letters if _base(key) not in self.replaced}
        _none("a good record among the dead letters", letters - poison)
        _none(
            "a good record among the dead letters, at an offset that was used twice",
            [
                key
                for key, sent in self.sent.items()
                if key in self.replaced and not sent.poison and self._letters(key, sent, seen)
            ],
        )
        last: dict[int, int] = {}
        for sent in self.sent.values():
            if self._may_be_gone(sent) or sent.offset < self.begun.get(sent.partition, 0):
                continue
            last[sent.partition] = max(sent.offset, last.get(sent.partition, -1))
        behind = {p: seen.committed.get(p, 0) for p, offset in last.items() if seen.committed.get(p, 0) <= offset}
        _none("partitions committed short of their end", [f"{p}: {at} of {last[p] + 1}" for p, at in behind.items()])
        short = {p: at for p, at in seen.committed.items() if at < self.expired.get(p, 0)}
        _none("losses that would be told again", [f"{p}: {at} of {self.expired[p]}" for p, at in short.items()])

    def _nothing_lost(self, seen: Seen) -> None:
        """A1: what is below the committed offset is in the database."""
        _none(
            "committed, but in no collection",
            [
                key
                for key, sent in self.sent.items()
                if sent.offset < seen.committed.get(sent.partition, 0)
                and not self._is_there(key, sent, seen)
                and not self._leaves_nothing(sent)
            ],
        )

    def _nothing_before_the_start(self, seen: Seen) -> None:
        """A1b: what is left out is left out whole. A record there says that some were read, and others behind them were not."""
        _none(
            "before the start, and there all the same",
            [
                key
                for key, sent in self.sent.items()
                if sent.offset < self.begun.get(sent.partition, 0)
                and key not in self.replaced
                and (key in seen.documents or key in seen.dead_letters)
            ],
        )

    def _nothing_strange(self, seen: Seen) -> None:
        """A2: nothing is stored that was not sent, and nothing in both collections."""
        _none("stored, but never sent", [key for key in seen.documents if not self._is_known(key)])
        _none("a dead letter of nothing sent", [key for key in seen.dead_letters if not self._is_known(key)])
        both = [key for key in seen.dead_letters if key in seen.documents and _base(key) not in self.replaced]
        _none("a document and a dead letter", both)

    def _nothing_changed(self, seen: Seen) -> None:
        """A3: a document holds what was sent, and its own place as `_id`."""
        _none(
            "stored with another content",
            [key for key, document in seen.documents.items() if not self._is_as_sent(key, document)],
        )

    def _nothing_taken_back(self, seen: Seen, may_go_back: Mapping[int, int]) -> None:
        """A4: a committed offset never decreases."""
        for partition, before in self._committed.items():
            lowest = min(before, may_go_back.get(partition, before), self._cuts.get(partition, before))
            if seen.committed.get(partition, 0) < lowest:
                raise BrokenPromiseError(
                    f"partition {partition}: committed {before}, then {seen.committed.get(partition)}"
                )
        self._committed = dict(seen.committed)

    def _leaves_nothing(self, sent: Sent) -> bool:
        return sent.ignored or self._may_be_gone(sent) or sent.offset < self.begun.get(sent.partition, 0)

    def _may_be_gone(self, sent: Sent) -> bool:
        return sent.offset < self.expired.get(sent.partition, 0)

    def _is_as_sent(self, key: str, document: bytes | Mapping[str, Any]) -> bool:
        if self._right.get(key) is not document:
            candidates = self._candidates(_base(key))
            if len(candidates) > 1:
                candidates = [sent for sent in candidates if not sent.poison]
            if not any(_holds(key, document, sent) for sent in candidates):
                return False
            self._right[key] = document
        return True

    def _is_known(self, key: str) -> bool:
        return key in self.sent or _base(key) in self.replaced

    def _candidates(self, base: str) -> list[Sent]:
        """The records that were ever at this offset."""
        return [*([self.sent[base]] if base in self.sent else []), *self.replaced.get(base, [])]

    def _is_there(self, key: str, sent: Sent, seen: Seen) -> bool:
        if key in self.replaced:
            return bool(self._documents(key, sent, seen) or self._letters(key, sent, seen))
        return key in seen.documents or key in seen.dead_letters

    def _documents(self, key: str, sent: Sent, seen: Seen) -> list[str]:
        """The ids of the documents that hold this record, at an offset that was used twice."""
        if sent.poison:
            return []
        ids = (key, f"{key}@{sent.leader_epoch}")
        return [each for each in ids if each in seen.documents and _holds(each, seen.documents[each], sent)]

    def _letters(self, key: str, sent: Sent, seen: Seen) -> list[str]:
        letters, ids = seen.dead_letters, (key, f"{key}@{sent.leader_epoch}")
        if not isinstance(letters, Mapping):
            return [each for each in ids if each in letters]
        return [each for each in ids if each in letters and letters[each].record.value == sent.value]

    def _nothing_twice_at_reused_offsets(self, seen: Seen) -> None:
        twice = [
            key
            for key in self.replaced
            if (sent := self.sent.get(key))
            and len(self._documents(key, sent, seen)) + len(self._letters(key, sent, seen)) > 1
        ]
        _none("stored twice, at an offset that was used twice", twice)


def _base(key: str) -> str:
    """The id of the offset."""
    return key.partition("@")[0]


def _holds(key: str, document: bytes | Mapping[str, Any], sent: Sent) -> bool:
    if sent.value is None:
        return False
    fields = bson.decode(document) if isinstance(document, bytes) else dict(document)
    return bool(fields == {"_id": key, **json.loads(sent.value)})


def _none(what: str, found: Collection[str]) -> None:
    if found:
        raise BrokenPromiseError(f"{len(found)} {what}: {sorted(found)[:NAMED]}")
