"""A file of routes that is changed under a worker: it is told, once for each change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from workers.settings import load
from workers.worker.routes_watch import LOOK_SECONDS, RoutesWatch

ROUTES = '[[route]]\ntopics = ["a", "b"]\n'


class Watched:
    def __init__(self, path: Path) -> None:
        self.path, self.now, self.written = path, 0.0, 0
        self.write(ROUTES)
        self.watch = RoutesWatch(load(routes=path), lambda: self.now)

    def write(self, text: str) -> None:
        self.path.write_text(text)
        # The clock of a file system may stand between two writes.
        self.written += 1
        os.utime(self.path, ns=(self.written, self.written))

    def told(self, seconds: float = LOOK_SECONDS) -> list[str]:
        self.now += seconds
        with capture_logs() as logs:
            self.watch.iterated()
        return [f"{each['event']} {each.get('error', '')}" for each in logs]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "routes.toml")


def test_a_change_is_told_once_and_says_what_to_do(watched):
    assert watched.told() == []
    watched.write(ROUTES + 'collection = "shop"\n')
    assert watched.told(LOOK_SECONDS / 2) == []
    (line,) = watched.told()
    assert "workers restart" in line
    assert watched.told() == []


def test_a_change_that_says_the_same_is_none(watched):
    watched.write("# only a comment\n" + ROUTES)
    assert watched.told() == []


def test_a_file_that_cannot_be_used_any_more_is_told_with_the_reason(watched):
    watched.write(ROUTES + 'colection = "shop"\n')
    (line,) = watched.told()
    assert "did you mean collection" in line
    watched.path.unlink()
    (line,) = watched.told()
    assert "cannot be read" in line
    watched.write(ROUTES)
    assert watched.told() == []
