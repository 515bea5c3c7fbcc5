"""When a refused record may be judged, by a clock that the test turns."""

from __future__ import annotations

import pytest

from workers.sinks.refusals import Refusal, Suspects, UndecidedError
from workers.types import RejectReason

PATIENCE = 30.0
REFUSAL = Refusal("code 1", RejectReason.REFUSED_BY_SERVER, "code 1")


def test_an_outage_in_between_does_not_take_the_proof_away_that_others_were_stored():
    """After it the others are redelivered, and are duplicates: nothing new could prove it again."""
    now = 0.0
    suspects = Suspects(PATIENCE, lambda: now)
    refused = {str(number): REFUSAL for number in range(10)}
    suspects.refused(refused, alone=True, stored_others=True)
    now = 1.0
    suspects.interrupted()
    now = 2.0
    suspects.refused(refused, alone=True)
    assert suspects.seconds_left(refused) == pytest.approx(29.0)

    now = 60.0
    suspects.refused(refused, alone=True)

    assert suspects.seconds_left(refused) <= 0
    suspects.require_proof(refused, len(refused))


def test_without_another_that_was_stored_half_of_a_batch_is_never_judged():
    suspects = Suspects(PATIENCE, lambda: 100.0)
    refused = {str(number): REFUSAL for number in range(10)}
    suspects.refused(refused, alone=True)

    with pytest.raises(UndecidedError, match="until a new document is stored"):
        suspects.require_proof(refused, len(refused))
