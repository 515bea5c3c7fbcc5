"""Parts of sentences for people: lists, partitions, durations, times. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from workers.fleet.status.group import compact_partitions
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.types import TopicPartition


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def which(partitions: Sequence[TopicPartition]) -> str:
    """`partition 4`, `partitions 2 and 3`, `partitions 0-5,7`; of several topics: `partitions orders:0-2 refunds:5`."""
    topics = by_topic(partitions)
    numbers = [str(number) for each in topics.values() for number in each]
    if len(topics) == 1 and 1 < len(numbers) <= 3:
        return f"partitions {listed(numbers)}"
    return f"partition{'' if len(numbers) == 1 else 's'} {compact_partitions(sorted(partitions))}"


def duration(seconds: float) -> str:
    """`3 s`, `2 min`, `5 h`."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"


def clock(time: float, now: float) -> str:
    """The local time, with its day if that is not today. Args: Unix times."""
    then, today = datetime.fromtimestamp(time).astimezone(), datetime.fromtimestamp(now).astimezone()
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%d %b %H:%M:%S}"


def plural(number: int, noun: str) -> str:
    """`1 worker`, `4 workers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def capital(sentence: str, *, names: bool = False) -> str:
    """With a capital letter. Args: names: the name of a worker at the beginning stays as it is."""
    return sentence if names and sentence.startswith("worker_") else sentence[:1].upper() + sentence[1:]
