"""Every link between the pages of this repository leads somewhere, to a heading that exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.doc_blocks import DOCS, REPOSITORY

PAGES = [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("deploy/**/*.md")]
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?\)")
IN_NAV_BY_THEIR_INDEX = ("decisions/", "runbooks/")
"""Folders whose index has every page, and a test of its own."""


def prose(page: Path) -> str:
    """A page without its blocks and its code."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]+`", "", text)


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """As GitHub and the site make them of headings."""
    found: set[str] = set()
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[ ]", "-", re.sub(r"[^\w\- ]", "", plain).strip()))
    return found


def dead(page: Path) -> list[str]:
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page):
    assert dead(page) == []


def test_a_dead_link_is_found(tmp_path):
    (tmp_path / "other.md").write_text("# What is `this`, then?\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](nowhere.md) [b](other.md#no-heading) [c](other.md#what-is-this-then) ![d](no.png)\n"
        "```text\n[e](in-a-block.md)\n```\n`[f](in-code.md)` [g](https://host.example/) [h](#me)\n## Me\n"
    )

    assert dead(page) == ["nowhere.md", "other.md#no-heading", "no.png"]


def test_no_page_of_the_site_links_out_of_it():
    """There such a link leads nowhere: files of the repository are named, and not linked."""
    outside = [
        f"{page.relative_to(REPOSITORY)}: {link}"
        for page in DOCS.rglob("*.md")
        for link in links(page)
        if not (page.parent / link.partition("#")[0]).resolve().is_relative_to(DOCS)
    ]

    assert outside == []


def test_the_navigation_has_every_page_once():
    site = tomllib.loads((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"'([\w/-]+\.md)'", str(site["nav"]))
    there = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")]
    below = [path for path in there if path.startswith(IN_NAV_BY_THEIR_INDEX) and not path.endswith("README.md")]

    assert sorted(named) == sorted(set(there) - set(below))
