"""`workers config` with several topics: every route as it was read."""

from __future__ import annotations

import json

import pytest

ROUTES = """
[[route]]
topics = ["orders", "refunds"]
[[route]]
name = "logs"
topic_pattern = 'log\\..*'
collection = "all-logs"
on_tombstone = "ignore"
surrogates = "replace"
"""


@pytest.fixture
def shown(workers, tmp_path, monkeypatch):
    def show(*arguments: str) -> str:
        (tmp_path / "routes.toml").write_text(ROUTES)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("WORKERS_ROUTES", "routes.toml")
        code, out, _ = workers("config", *arguments)
        assert code == 0
        return out

    return show


def test_each_route_is_shown_with_what_is_not_the_default(shown):
    routes = shown().splitlines()[-6:]

    assert [line.rstrip() for line in routes if line] == [
        "orders  orders, refunds  into  orders, refunds",
        r"logs  every topic that matches log\..*  into  all-logs",
        "    on_tombstone  ignore",
        "    surrogates    replace  lossy, the document does not tell which half it was",
    ]


def test_no_setting_is_shown_that_has_no_effect_beside_routes(shown):
    assert not [line for line in shown().splitlines() if line.startswith(("WORKERS_TOPIC", "WORKERS_ON_TOMB"))]
    assert "WORKERS_ON_TOMBSTONE" not in shown("--json")


def test_as_json_each_route_has_all_that_it_has(shown):
    first, second = json.loads(shown("--json"))["routes"]

    assert (first["lossy"], second["lossy"]) == ({}, {"surrogates": "which half it was"})
    assert (first["name"], first["collection"], first["on_tombstone"]) == ("orders", "{topic}", "dead_letter")
    assert (second["topics"], second["topic_pattern"], second["on_tombstone"]) == ([], r"log\..*", "ignore")
