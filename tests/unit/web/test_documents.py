"""The documentation as pages: every page and every alert's runbook, with their links, and nothing of a file as markup."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest
import yaml

from tests.support.doc_blocks import DOCS, REPOSITORY
from workers.web.documents import Documents

RULES = sorted((REPOSITORY / "deploy/prometheus/rules").glob("*.yml"))
PAGES = sorted(str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md"))


def alerts() -> list[str]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return sorted({rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule})


def asked(path: str, folder: Path | None = None) -> str:
    page = Documents(folder).page(path)
    assert page is not None, path
    return page.decode()


def links(page: str) -> list[str]:
    return re.findall(r'<a href="([^"]*)"', page)


@pytest.mark.parametrize("alert", alerts())
def test_each_alert_has_its_page(alert: str) -> None:
    page = asked(f"/docs/runbooks/{alert}")

    assert f'<h1 id="{alert.lower()}">{alert}</h1>' in page
    assert '<h2 id="mitigation">Mitigation</h2>' in page
    assert f"<title>{alert}</title>" in page


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_page_and_to_a_heading_of_it(name: str) -> None:
    path = f"/docs/{name}"
    for link in links(asked(path)):
        target, _, anchor = link.partition("#")
        leads = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
        leads += "/" if target.endswith("/") and leads != "/" else ""
        if not re.match(r"[a-z]+:", link) and leads != "/":
            page = asked(leads)
            assert not anchor or f'id="{anchor}"' in page, link


def test_the_index_leads_to_all_kinds_of_pages() -> None:
    assert {"tutorial", "how-to/upgrade", "reference/settings", "explanation/promise", "runbooks/"} <= {
        *links(asked("/docs/"))
    }
    assert len(links(asked("/docs/runbooks/"))) > len(alerts())


def test_a_table_is_a_table_and_a_comment_is_not_shown() -> None:
    page = asked("/docs/reference/settings")
    assert "<table>" in page
    assert "WORKERS_AUDIT_SHARE" in page
    assert "not run" not in asked("/docs/how-to/upgrade")


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/docs/runbooks/Nothing",
        "/docs/runbooks/../../README",
        "/docs/../README",
        "/docs/runbooks/README.md",
        "/docs//etc/passwd",
        "/docs/how-to/",
        "/docs/how-to/upgrade/",
        "/docs/metrics.py",
        "/runbooks/FleetStuck",
        "/",
    ],
)
def test_nothing_else_is_served(path: str) -> None:
    assert Documents().page(path) is None


def test_a_file_brings_no_markup_and_no_script(tmp_path: Path) -> None:
    (tmp_path / "Bad.md").write_text(
        "# <img src=x>\n\n<script>alert(1)</script>\n\n[here](javascript:alert(1)) <br><b onclick=x>c</b>\n\n"
        "<!-- a --><script>alert(2)</script>\n\n![<script>](x.png) [<u>](../Bad.md)\n"
    )
    page = asked("/docs/Bad", tmp_path)

    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "<b " not in page
    assert "<u>" not in page
    assert "<br>" in page


def test_of_a_link_to_something_else_the_words_stay(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("[the code](../workers/loop.py), [outside](../a.md), [none](b.md), [self](a.md#x)\n")
    page = asked("/docs/a", tmp_path)

    assert "<p>the code, outside, none, " in page
    assert '<a href="a#x">self</a>' in page
