"""The rules of the house that a linter does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workers

REPOSITORY = Path(__file__).resolve().parents[3]
PRODUCT = sorted(Path(workers.__file__).parent.glob("**/*.py"))
TESTS = sorted((REPOSITORY / "tests").glob("**/*.py"))
MOST_LINES = 255
FORBIDDEN = {
    "auto-commit": r"enable_auto_commit[\"']?\s*[:=]\s*True",
    "reading from the end": r"auto_offset_reset[\"']?\s*[:=]\s*[\"']latest",
    "a commit of whatever was polled": r"\.commit\(\s*\)",
    "code from data": r"\b(eval|exec|pickle)\b|json_util\.loads",
    "every interface": r"0\.0\.0\.0",
    "a bare except": r"except(\s+Base)?Exception\s*:|except\s*:",
    "an upsert": r"\bupsert\b|replace_one|ReplaceOne|_documents\.update",
}


def short(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", PRODUCT, ids=short)
def test_a_file_is_short_enough_to_be_read_from_the_top(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", PRODUCT, ids=short)
def test_nothing_that_would_break_the_promise(path):
    found = [what for what, pattern in FORBIDDEN.items() if re.search(pattern, path.read_text())]

    assert found == []


def test_only_the_loop_commits():
    callers = [short(path) for path in PRODUCT if re.search(r"source\.commit\(", path.read_text())]

    assert callers == ["workers/pipeline/loop.py"]


def test_no_test_sleeps():
    """Conditions with deadlines; a pause is one between two looks, and short."""
    sleeps = {
        short(path): pauses
        for path in TESTS
        if (pauses := [float(seconds) for seconds in re.findall(r"\bsleep\(([\d.]+)\)", path.read_text())])
    }

    assert {path: pauses for path, pauses in sleeps.items() if max(pauses) > 0.1} == {}
