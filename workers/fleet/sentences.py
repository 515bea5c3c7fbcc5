"""Parts of sentences for people: lists, partitions, durations, times. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from workers.fleet.status.group import FEW_TOPICS, compact_numbers
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.types import TopicPartition


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def which(partitions: Sequence[TopicPartition], *, named: bool = False) -> str:
    """`partition 4`, `partitions 2 and 3`, `partitions 0-5,7`; of several topics: `partitions 0-2 of orders and 5 of refunds`;
    of many: `40 partitions of 20 topics`.

    Args: named: whether the topic is named also where all are of one: the fleet has several.
    """
    topics = by_topic(partitions)
    if len(topics) > FEW_TOPICS:
        return f"{len(partitions)} partitions of {len(topics)} topics"
    parts = []
    for topic, numbers in topics.items():
        words = [str(number) for number in numbers]
        text = listed(words) if len(topics) == 1 and 1 < len(numbers) <= 3 else compact_numbers(numbers)
        parts.append(f"{text} of {topic}" if named or len(topics) > 1 else text)
    return f"partition{'' if len(partitions) == 1 else 's'} {listed(parts)}"


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
