"""What a sink's server refuses for no cause that is known: whose fault it is, and when that may be said.

A server that is busy, full or half broken refuses good records, under codes that nobody has seen before. So an unknown
refusal is the server's own fault until these four are true, in this order:

1. The record was refused for as long as an overload lasts (`WORKERS_REFUSAL_PATIENCE`), over all attempts to write it.
   Meanwhile the sink is unavailable: the loop rewinds, keeps its membership and backs off.
2. No other record that was refused for the same cause has been stored since: else the cause passes, and the time starts
   again.
3. It is refused alone, then another document is taken by the same collection, and then it is refused alone again.
4. Its dead letter is written.

All suspects of a batch share one time, that of the one which has waited longest. Suspects are known by the ids of their
records, so the time goes on over redelivery. After a rebalance or a crash it starts again, and so it does after an outage.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import RetryReason, SinkUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from workers.types import Operation, RejectReason

FORGOTTEN_AFTER_SECONDS = 90.0
"""A suspect that was not refused for so long was moved to another worker, or is stored. Longer than the longest wait
between two attempts: a write, and what a server may ask to wait.
"""
FEW = 8
"""So many suspects may be judged by a document that was stored before; see `Suspects.require_proof`."""
TRIED_TOGETHER = 100
"""Suspects that are tried alone, one after another, between two proofs that the server takes documents."""


class Refusal(NamedTuple):
    """One answer of a server that refuses a record, and does not say that the record is the cause."""

    cause: str
    """Equal for refusals that have the same cause, as far as is known: the server's code."""
    reject_reason: RejectReason
    """Of the dead letter, if the record is found to be the cause."""
    error: str
    """One line, without payload, for that dead letter."""
    retry_reason: RetryReason = RetryReason.ERROR
    retry_after: float = 0.0
    """Seconds that the server asks to wait."""


class UndecidedError(SinkUnavailableError):
    """Records were refused, and it is too early, or there is no proof, to say that they are the cause."""

    no_proof = False
    """Whether they have waited long enough, and only proof is missing."""


@dataclass(slots=True)
class _Suspect:
    first: float
    """When it was first refused, or when the time started again."""
    since: float
    """When it was first refused."""
    last: float
    cause: str
    alone: bool
    """Whether the refusal was of this record, and not of a whole command."""


class Suspects:
    """The records that were refused, over all attempts to write them. Used by one thread at a time."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: patience: seconds."""
        self._patience, self._clock = patience, clock
        self._by_id: dict[str, _Suspect] = {}
        self._stored_at = -math.inf

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def __contains__(self, document_id: str) -> bool:
        return document_id in self._by_id

    def refused(self, refusals: Mapping[str, Refusal], *, alone: bool, stored_others: bool = False) -> None:
        """Enter refusals, by id.

        Args:
            alone: each was refused by itself, and not a whole command.
            stored_others: in the same attempt, behind one of these, another was stored that was not there before.
        """
        now = self._clock()
        self._forget(now)
        if stored_others:
            self._stored_at = now
        for document_id, refusal in refusals.items():
            first, since = (known.first, known.since) if (known := self._by_id.get(document_id)) else (now, now)
            self._by_id[document_id] = _Suspect(first, since, now, refusal.cause, alone)

    def passed(self, ids: Iterable[str]) -> set[str]:
        """Enter records that are stored. Returns the causes that were seen to pass: their time has started again."""
        now = self._clock()
        self._forget(now)
        stored = [suspect for each in ids if (suspect := self._by_id.pop(each, None))]
        # A part of a command that was refused as a whole says nothing about the cause: the rest may be it.
        causes = {suspect.cause for suspect in stored if suspect.alone}
        if causes:
            self._stored_at = now
            for suspect in self._by_id.values():
                if suspect.cause in causes:
                    suspect.first = now
        return causes

    def interrupted(self) -> None:
        """Start the time again: the sink was unavailable, so a refusal before says nothing about a record."""
        now = self._clock()
        for suspect in self._by_id.values():
            suspect.first = now

    def seconds_left(self, refusals: Mapping[str, Refusal], *, known: bool = False) -> float:
        """How long these must still be refused; 0 or less: they may be judged.

        Args: known: a suspect that is not among them, with the same cause, has waited for them too.
        """
        now = self._clock()
        waited: dict[str, float] = {}
        for document_id, suspect in self._by_id.items():
            if known or document_id in refusals:
                waited[suspect.cause] = max(waited.get(suspect.cause, 0.0), now - suspect.first)
        causes = {refusal.cause for refusal in refusals.values()}
        return self._patience - min((waited.get(cause, 0.0) for cause in causes), default=0.0)

    def require_proof(self, refusals: Mapping[str, Refusal], batch_size: int) -> None:
        """Refuse to judge by a document that was stored before where that proves little.

        Written again, such a document shows that the server takes the command and finds the id, and not that it takes a
        new document. That is enough for a few suspects, but not for half of a batch or more: there a new document must
        have been stored since they were first refused.

        Raises:
            UndecidedError: nothing new was stored.
        """
        count = len(refusals)
        # Not when the time started again: after an outage the others of the batch are redelivered, and are not new any more.
        since = min((known.since for each in refusals if (known := self._by_id.get(each))), default=0.0)
        if count > FEW and 2 * count >= batch_size and self._stored_at < since:
            raise undecided(
                refusals, "half of the batch or more; waiting until a new document is stored beside them", no_proof=True
            )

    def _forget(self, now: float) -> None:
        for each in [each for each, known in self._by_id.items() if now - known.last > FORGOTTEN_AFTER_SECONDS]:
            del self._by_id[each]


def undecided(refusals: Mapping[str, Refusal], why: str, *, no_proof: bool = False) -> UndecidedError:
    """The error that has refused records redelivered. Args: why: what is waited for, for the log."""
    first = next(iter(refusals.values()))
    records = f"{len(refusals):,} record{'s' if len(refusals) > 1 else ''} not stored"
    wait = max(refusal.retry_after for refusal in refusals.values())
    error = UndecidedError(first.retry_reason, f"{first.error}; {records}, {why}", wait)
    error.no_proof = no_proof
    return error


def refused_alone(
    suspects: Sequence[Operation], write_alone: Callable[[Operation], Refusal | None], prove: Callable[[], None]
) -> dict[str, Refusal]:
    """Those that are refused alone, before and after another document was taken, by id.

    Args:
        write_alone: writes one; returns how it was refused, or None.
        prove: writes another document; raises `UndecidedError` if that is not taken.
    """
    guilty: dict[str, Refusal] = {}
    for start in range(0, len(suspects), TRIED_TOGETHER):
        remaining = suspects[start : start + TRIED_TOGETHER]
        remaining = [each for each in remaining if write_alone(each)]
        if remaining:
            prove()
        guilty |= {each.id: refusal for each in remaining if (refusal := write_alone(each))}
    return guilty
