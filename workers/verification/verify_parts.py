"""Verifies the parts of one topic, or of several, in this process or in several, and tells how far that is."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from workers.verification.checkers import TopicPart
from workers.verification.verified_so_far import DOCUMENTS, RECORDS, VerifiedSoFar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workers.verification.comparison import Progress
    from workers.verification.part_check import PartResult
    from workers.verification.whole_topic import WholeTopic

    Told = Callable[[int, str, int], None]
    """Called with the number of a part, what was read of it, and how much more of it."""
    Parts = Sequence[tuple[int, TopicPart]]
    """With their numbers, over all topics."""

MOST_PROCESSES = 4


class Keep(Protocol):
    """Keeps what is done, for `--resume`."""

    def __call__(self, *, at_once: bool) -> None:
        """Args: at_once: the run ends early; else so many times a second is enough."""


def most_processes(topics: Sequence[WholeTopic]) -> int:
    """Half of the cores: the servers, or the fleet, want the others. One where each part costs a look at all documents."""
    by_index = all(each.run.by_index for each in topics)
    return max(1, min(MOST_PROCESSES, (os.cpu_count() or 1) // 2)) if by_index else 1


def verify_parts(
    topics: Sequence[WholeTopic],
    check_here: Callable[[Parts, Told], Iterator[tuple[int, PartResult]]],
    keep: Keep,
    progress: Progress,
    processes: int,
) -> None:
    """Verify all parts that are not done; their results are in `run.done` of their topics.

    Args: check_here: verifies parts in this process.

    Raises:
        UnavailableError: a part could not be read. What is done was kept.
    """
    places = [(work, number) for work, each in enumerate(topics) for number in range(len(each.parts))]
    left = [
        (index, TopicPart(work, topics[work].parts[number]))
        for index, (work, number) in enumerate(places)
        if number not in topics[work].run.done
    ]
    sizes = [topics[work].sizes[number] for work, number in places]
    so_far = VerifiedSoFar(sizes, {*range(len(places))} - {index for index, _ in left})
    total, others = sum(each.run.offsets for each in topics), Counter[str]()

    def told(index: int, what: str, more: int) -> None:
        if what in (RECORDS, DOCUMENTS):
            so_far.read(index, what, more)
            progress("verified", so_far.offsets, total)
        else:
            others[what] += more
            progress(what, others[what], 0)

    try:
        for index, result in _checked(topics, left, check_here, min(processes, len(left)), told):
            work, number = places[index]
            topics[work].run.done[number] = result
            so_far.finish(index)
            progress("verified", so_far.offsets, total)
            keep(at_once=False)
    except BaseException:  # Ctrl-C above all: what is done is kept
        keep(at_once=True)
        raise


def _checked(
    topics: Sequence[WholeTopic],
    left: Parts,
    check_here: Callable[[Parts, Told], Iterator[tuple[int, PartResult]]],
    count: int,
    told: Told,
) -> Iterator[tuple[int, PartResult]]:
    if count > 1:
        from workers.verification.processes import check_in_processes

        yield from check_in_processes([each.work for each in topics], left, count, told)
    else:
        yield from check_here(left, told)
