"""Finds the document that is the cause, among those that the server refused for no known cause: decision 14."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from workers.errors import RetryReason
from workers.sinks.mongodb.dead_letters import value_hash
from workers.sinks.refusals import refused_alone, undecided
from workers.types import Insert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.sinks.mongodb.client import Collections
    from workers.sinks.mongodb.dead_letter_writer import DeadLetterWriter
    from workers.sinks.mongodb.inserts import Inserter, InsertOutcomes
    from workers.sinks.refusals import Refusal, Suspects

SAMPLE = 8
"""So many documents of a command that is refused as a whole are tried alone, until one is taken."""


class Judge:
    """Of one sink. Its methods raise the driver's errors, and `SinkUnavailableError`."""

    def __init__(
        self,
        collections: Collections,
        inserter: Inserter,
        dead_letters: DeadLetterWriter,
        suspects: Suspects,
        ping: Callable[[], None],
    ) -> None:
        self._collections = collections
        self._inserter = inserter
        self._dead_letters = dead_letters
        self._suspects = suspects
        self._ping = ping

    def leave_out_settled(self, inserts: Sequence[Insert], outcome: InsertOutcomes) -> InsertOutcomes:
        """Take over the verdicts of earlier deliveries: a record with a dead letter is not tried again.

        Asked only for new suspects: their dead letters were written after the last commit, if at all.
        """
        if any(each.retry_reason is RetryReason.CONNECTION_LOST for each in outcome.suspects.values()):
            # Nobody there is found out sooner by this than by the question.
            self._ping()
        unknown = [each for each in outcome.suspects if each not in self._suspects]
        # Entered first: if the question takes too long, it is not asked a second time.
        new = {each: outcome.suspects[each] for each in unknown}
        self._suspects.refused(new, alone=not outcome.as_a_whole)
        found = self._dead_letters.settled(unknown)
        settled = {
            each.id: verdict
            for each in inserts
            if (verdict := found.get(each.id)) and verdict.value_sha256 == value_hash(each.record)
        }
        if not settled:
            return outcome
        if outcome.as_a_whole:
            again = self._inserter.insert([each for each in inserts if each.id not in settled])
            again.add(outcome)
            outcome = again
        for insert in inserts:
            if verdict := settled.get(insert.id):
                outcome.suspects.pop(insert.id, None)
                outcome.refuse(insert, verdict.reason, verdict.error)
        return outcome

    def judge(self, inserts: Sequence[Insert], outcome: InsertOutcomes) -> None:
        """Find which suspects are the cause: see `workers.sinks.refusals`. The rest is stored by that.

        Raises:
            UndecidedError: nothing proves that the server takes documents, or the cause was seen to pass.
        """
        refusals = outcome.suspects
        suspects = [each for each in inserts if each.id in refusals]
        if outcome.as_a_whole:
            tried = self._require_one_of(suspects, outcome)
            divided = self._inserter.insert(suspects, divide=True)
            divided.duplicates -= tried
            self._suspects.passed(each.id for each in suspects if each.id not in divided.suspects)
            stored_others = divided.stored_behind_a_suspect(suspects)
            self._suspects.refused(divided.suspects, alone=True, stored_others=stored_others)
            outcome.add(divided)
            refusals = outcome.suspects = divided.suspects
            suspects = [each for each in suspects if each.id in refusals]
        if not suspects:
            return
        self._suspects.require_proof(refusals, len(inserts))
        neighbour = next((each for each in inserts if each.id not in refusals and each.id not in outcome.refused), None)
        guilty = refused_alone(
            suspects, lambda each: self._write_alone(each, outcome), lambda: self._prove(neighbour, suspects, refusals)
        )
        stored = (each.id for each in suspects if each.id not in guilty and each.id not in outcome.refused)
        causes = self._suspects.passed(stored)
        if causes & {refusal.cause for refusal in guilty.values()}:
            raise undecided(guilty, "others were stored that were refused for the same cause: it passes")
        for suspect in suspects:
            if refusal := guilty.get(suspect.id):
                outcome.refuse(suspect, refusal.reject_reason, refusal.error)
        outcome.suspects = {}

    def _write_alone(self, insert: Insert, outcome: InsertOutcomes) -> Refusal | None:
        alone = self._inserter.insert([insert])
        outcome.add(alone)
        return alone.suspects.get(insert.id)

    def _require_one_of(self, suspects: Sequence[Insert], outcome: InsertOutcomes) -> set[str]:
        """Prove that the server takes one of these alone: any few of them, since the first may all be the cause.

        Returns:
            The id of the one that this has stored, if it was not stored before.
        """
        for each in random.sample(suspects, min(SAMPLE, len(suspects))):
            if not self._write_alone(each, outcome):
                return {each.id} - outcome.duplicates - outcome.refused.keys()
        if len(suspects) == 1:
            return set()
        raise undecided(outcome.suspects, "and so is each that was tried alone", no_proof=True)

    def _prove(self, neighbour: Insert | None, suspects: Sequence[Insert], refusals: dict[str, Refusal]) -> None:
        """Write a document again that is stored: nothing changes, and the server has taken a write.

        The neighbour is one of the batch; a redelivery writes it again too. Without one it is any of the topic's, which is
        looked up first: what a user has deleted must not come back.
        """
        first = suspects[0]
        if neighbour is None and (found := self._collections.find_any(first.id[: first.id.index("/") + 1])):
            neighbour = Insert(found["_id"], found, first.record)
        if neighbour is None:
            raise undecided(refusals, "and there is no other document to compare with; waiting for one", no_proof=True)
        if self._inserter.insert([neighbour]).suspects:
            raise undecided(refusals, "and so is a document that was stored before", no_proof=True)
