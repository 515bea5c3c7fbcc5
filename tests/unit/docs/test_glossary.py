"""docs/glossary.md defines each word once, in order, and only words that are in use."""

from __future__ import annotations

import re
from pathlib import Path

from workers.verification.report import OUTCOMES

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs/glossary.md"
TERMS = re.findall(r"^- \*\*(.+?)\*\*: .{20,}\.$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
USED_IN = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("workers/**/*.py")]


def plain(text: str) -> str:
    """With single spaces, whatever separates the words of a term in code, in prose and at the end of a line."""
    return re.sub(r"[\s_-]+", " ", text.lower())


def test_every_line_is_a_term_with_its_meaning():
    assert len(TERMS) > 50
    assert len(TERMS) == len(re.findall(r"^- ", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_terms_are_sorted_and_none_is_there_twice():
    assert sorted(set(map(plain, TERMS))) == [plain(term) for term in TERMS]


def test_every_term_is_used_somewhere():
    used = plain("\n".join(path.read_text(encoding="utf-8") for path in USED_IN if path != PAGE))

    assert [term for term in TERMS if plain(term) not in used] == []


def test_every_word_of_verify_is_defined():
    assert {plain(word) for word in OUTCOMES} - {"kafka"} <= set(map(plain, TERMS))
