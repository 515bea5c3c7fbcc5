"""Who can be measured, by the name that stands in the tables, and what each needs before it can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench import peer_packages
from bench.peers import Load, Peer, raw_fetch, raw_insert, tutorial, workers

RAW, FETCH, BOTH, TUTORIAL, ONE, TWO, FOUR = (
    "raw insert_many",
    "raw fetch",
    "both at once",
    "tutorial's consumer",
    "one worker",
    "2 workers",
    "4 workers",
)
POLLED, CONSUMED, CONNECTOR, QUIX = (
    "confluent-kafka, poll",
    "confluent-kafka, consume",
    "official connector",
    "Quix Streams",
)
OTHERS = (RAW, BOTH, TUTORIAL, POLLED, CONSUMED, CONNECTOR, QUIX)
"""With whom ours is compared."""
SLOW_SHARE = 25
"""Who writes record by record gets so many times fewer records: all would take minutes, at the same rate."""


def _nothing() -> None:
    """It is there already."""


@dataclass(frozen=True)
class Candidate:
    """One of them.

    Attributes:
        build: fetches what it needs; raises `Failure` where it cannot be fetched.
        version: of what was made by others, which is left out where it does not run, so that the rest is measured.
        slow: it gets fewer records.
    """

    peer: Peer
    build: Callable[[], None] = _nothing
    version: Callable[[], str] | None = None
    slow: bool = False

    def load(self, load: Load) -> Load:
        """Its share of the load."""
        if not self.slow:
            return load
        return load.with_records(max(1, load.records // SLOW_SHARE), min(load.warm_up, 600))


def candidates() -> dict[str, Candidate]:
    """All, in the order in which a round measures them."""
    # These need the stack's packages, which whoever only measures workers has no use for.
    from bench import connector, python_peers

    def confluent(form: str) -> Candidate:
        build, version = partial(peer_packages.build, "confluent"), partial(peer_packages.version, "confluent-kafka")
        return Candidate(python_peers.confluent(form), build, partial(version, "confluent"))

    return {
        FETCH: Candidate(raw_fetch),
        RAW: Candidate(raw_insert()),
        BOTH: Candidate(raw_insert(reading=True)),
        TUTORIAL: Candidate(tutorial, slow=True),
        POLLED: confluent("poll"),
        CONSUMED: confluent("consume"),
        CONNECTOR: Candidate(connector.connector, connector.build, connector.version),
        QUIX: Candidate(
            python_peers.quix(),
            partial(peer_packages.build, "quix"),
            partial(peer_packages.version, "quixstreams", "quix"),
            slow=True,
        ),
        ONE: Candidate(workers(1)),
        TWO: Candidate(workers(2)),
        FOUR: Candidate(workers(4)),
    }


BUILT_IN = (FETCH, RAW, BOTH, TUTORIAL, ONE, TWO, FOUR)
"""Those that need nothing but what is here."""
CONNECT = (RAW, CONNECTOR, ONE, TWO)
EVERYBODY = (FETCH, RAW, BOTH, TUTORIAL, POLLED, CONSUMED, CONNECTOR, QUIX, ONE, TWO, FOUR)
