"""docs/reliability.md says what the code does: every row of the corpus, every verdict on an error, every test it names."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.reliability_doc import corpus_rows, policy_columns, policy_rows, verdict_rows
from workers.types import RejectReason

REPOSITORY = Path(__file__).resolve().parents[3]
DOC = (REPOSITORY / "docs/reliability.md").read_text(encoding="utf-8")


def table(heading: str) -> list[str]:
    """The rows under a heading, without those that name the columns."""
    return lines(f"## {heading}")[2:]


def lines(heading: str) -> list[str]:
    """Those of the table under a heading, up to the next one."""
    section = re.split(r"\n##+ ", DOC.split(f"\n{heading}\n")[1])[0]
    return [line for line in section.splitlines() if line.startswith("|")]


def test_every_payload_of_the_corpus_stands_in_the_document_with_its_verdict():
    for row, line in zip(corpus_rows(), table("What each payload becomes"), strict=True):
        assert line.startswith(row), line
        assert "|" not in line.removeprefix(row).strip().removesuffix("|"), f"a cell too many: {line}"


def test_every_payload_that_a_policy_changes_stands_there_with_a_column_for_each_policy():
    columns, _, *rows = lines("### Under each policy")

    assert columns == policy_columns()
    assert rows == policy_rows()


def test_every_verdict_on_an_error_stands_in_the_document():
    assert table("What an error means") == verdict_rows()


def test_every_reason_that_the_document_names_exists():
    named = set(re.findall(r"dead letter(?:[^|]*\||) `(\w+)`", DOC))

    assert named <= set(RejectReason)
    # The corpus is of JSON: what extended JSON rejects besides is in tests/unit/formats/test_extended_json.py.
    assert named >= set(RejectReason) - {
        RejectReason.CONFLICT,
        RejectReason.DUPLICATE_KEY,
        RejectReason.KILLED_WORKER,
        RejectReason.NOT_EXTENDED_JSON,
    }


def test_every_test_that_the_document_names_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", DOC))

    assert named
    for file, function in named:
        path = REPOSITORY / file
        assert path.is_file(), file
        if function:
            assert f"def {function}(" in path.read_text(encoding="utf-8"), f"{file}::{function}"
