"""The runbooks as pages: every alert's, with their links, and nothing of a file as markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.unit.docs.test_architecture import REPOSITORY
from workers.web.runbooks import Runbooks

RULES = sorted((REPOSITORY / "deploy/prometheus/rules").glob("*.yml"))


def alerts():
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return sorted({rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule})


@pytest.mark.parametrize("alert", alerts())
def test_each_alert_has_its_page(alert):
    page = Runbooks().page(f"/runbooks/{alert}").decode()

    assert f"<h1>{alert}</h1>" in page
    assert "<h2>Mitigation</h2>" in page


def test_the_links_of_the_index_lead_to_pages():
    index = Runbooks().page("/runbooks/").decode()
    links = re.findall(r'<a href="(\w+)">', index)

    assert len(links) >= len(alerts())
    assert all(Runbooks().page(f"/runbooks/{name}") for name in links)


@pytest.mark.parametrize(
    "path", ["/runbooks", "/runbooks/Nothing", "/runbooks/../glossary", "/runbooks/README.md", "/"]
)
def test_nothing_else_is_served(path):
    assert Runbooks().page(path) is None


def test_a_file_brings_no_markup_and_no_script(tmp_path: Path):
    (tmp_path / "Bad.md").write_text("# <img src=x>\n\n<script>alert(1)</script>\n\n[here](javascript:alert(1))\n")
    page = Runbooks(tmp_path).page("/runbooks/Bad").decode()

    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
