"""The rules of the house that a linter does not know."""

from __future__ import annotations

import ast
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
    "a bare except": r"except\s*:",
    "an except of everything without its reason": r"except (Base)?Exception( as \w+)?:(?!\s+# (?!noqa)\w|\s+# noqa: BLE001 +\w)",
    "a context manager's end called by hand": r"\.__(enter|exit)__\(",
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


@pytest.mark.parametrize(
    "line",
    [
        "    except Exception:",
        "    except BaseException as error:",
        "    except Exception:  # noqa: BLE001",
        "    except:",
        "self._admin.__exit__()",
        "consumer.commit()",
    ],
)
def test_the_rules_find_what_they_are_for(line):
    assert any(re.search(pattern, line) for pattern in FORBIDDEN.values())


def test_only_the_loop_commits():
    """And what the source calls for it, which calls the client."""
    callers = [short(path) for path in PRODUCT if re.search(r"\.commit\(", path.read_text())]

    assert callers == ["workers/kafka/commit.py", "workers/pipeline/loop.py"]


def test_insert_mode_never_replaces():
    """The rule of one write mode: MongoDB's sink has no other yet."""
    found = [
        short(path)
        for path in PRODUCT
        if "sinks/mongodb" in str(path)
        and re.search(r"\bupsert\b|replace_one|ReplaceOne|documents\.(update|delete)", path.read_text())
    ]

    assert found == []


def test_no_two_classes_have_one_name():
    places: dict[str, list[str]] = {}
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(short(path))

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_test_sleeps():
    """Conditions with deadlines; a pause is one between two looks, and short."""
    sleeps = {
        short(path): pauses
        for path in TESTS
        if (pauses := [float(seconds) for seconds in re.findall(r"\bsleep\(([\d.]+)\)", path.read_text())])
    }

    assert {path: pauses for path, pauses in sleeps.items() if max(pauses) > 0.1} == {}
