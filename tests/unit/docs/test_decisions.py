"""Every decision says whether it holds, and the index has all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "decisions"
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
DECISIONS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
STATUS = re.compile(
    r"^# (\d+)\. (.+)\n\nStatus: (accepted|superseded by \[(\d+)\]\((.+?)\)), (\d{4}-\d\d-\d\d)\.", re.MULTILINE
)


def said(path: Path) -> re.Match[str]:
    found = STATUS.match(path.read_text(encoding="utf-8"))
    assert found, (
        f"{path.name} begins with no title, and a line 'Status: accepted, YYYY-MM-DD.' or 'superseded by [N](file)'"
    )
    return found


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_a_decision_has_a_number_and_a_status_with_a_date(path):
    assert int(said(path)[1]) == int(path.name.partition("-")[0])


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_what_supersedes_it_exists_and_says_so(path):
    for number, name in re.findall(r"superseded by \[(\d+)\]\((.+?)\)", path.read_text(encoding="utf-8")):
        successor = FOLDER / name
        assert said(successor)[1] == number
        assert re.search(
            rf"^Status: .*\bsupersedes .*\]\({re.escape(path.name)}\)", successor.read_text(), re.MULTILINE
        )


def test_the_index_has_every_decision_with_its_title_and_status():
    rows = re.findall(
        r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \| (accepted|superseded by \[\d+\]\(.+?\))", INDEX, re.MULTILINE
    )

    assert rows == [(said(path)[1], path.name, said(path)[2], said(path)[3]) for path in DECISIONS]


@pytest.mark.parametrize("path", [*DECISIONS, FOLDER / "README.md"], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []
