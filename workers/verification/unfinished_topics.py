"""A verification of several topics that was not finished: the run of each of them, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.errors import BadUsageError
from workers.verification.unfinished import Unfinished, UnfinishedFile, describe, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = 2
"""Of a file with several topics. That of one topic has another one: neither reads the other's."""


class UnfinishedTopicsFile(UnfinishedFile):
    """See `UnfinishedFile`, whose file this is too: a group is verified over one topic, or over all."""

    def __init__(self, folder: Path, group: str) -> None:
        super().__init__(folder, group)
        self._runs: Mapping[str, Unfinished] = {}

    def read_all(self) -> dict[str, Unfinished]:
        """The runs that were not finished, by topic.

        Raises:
            BadUsageError: there are none.
        """
        return {topic: from_json(run) for topic, run in self._read(VERSION)["topics"].items()}

    def go_on(self, topics: set[str]) -> dict[str, Unfinished]:
        """The same, for exactly these topics.

        Raises:
            BadUsageError: the runs are of others.
        """
        runs = self.read_all()
        if other := sorted(runs.keys() ^ topics):
            it = "also of" if other[0] in runs else "without"
            raise BadUsageError(f"cannot resume: the unfinished run was {it} {other[0]}; verify from the beginning")
        self._runs = runs
        return runs

    def write_all(self, runs: Mapping[str, Unfinished], *, at_once: bool) -> None:
        """Keep what is done, some times a second at most."""
        if any(run.done for run in runs.values()) and (at_once or self._is_due):
            self._runs = runs
            self._save({"version": VERSION, "topics": {topic: to_json(run) for topic, run in runs.items()}})

    def describe(self) -> str:
        if not self._runs:
            return "nothing was verified"
        return self._with_advice(describe([*self._runs.values()]))

    def remove(self) -> None:
        self._runs = {}
        super().remove()
