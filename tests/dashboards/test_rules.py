"""The rules by themselves: promtool's word on them, and that each alert has its page, its tests and its words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.embedded import REPOSITORY
from tests.support.prometheus import SCRAPE_SECONDS, promtool
from tests.support.promql import selectors

FOLDER = REPOSITORY / "deploy/prometheus"
RUNBOOKS = REPOSITORY / "docs/runbooks"
SEVERITIES = {"critical", "warning", "info", "none"}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def groups(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(file.read_text())["groups"])


RULES: list[dict[str, Any]] = [
    rule for file in sorted(FOLDER.glob("rules/*.yml")) for group in groups(file) for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = sorted(FOLDER.glob("tests/*.yml"))


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_each_alert_fires_when_it_must_and_not_when_it_must_not(file: Path) -> None:
    ran = promtool("test", "rules", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.integration
@pytest.mark.slow
def test_promtool_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    for folder in ("deploy/prometheus/rules", "var/run"):
        (tmp_path / folder).mkdir(parents=True)
    for file in [FOLDER / "prometheus.yml", *FOLDER.glob("rules/*.yml")]:
        (tmp_path / file.relative_to(REPOSITORY)).write_bytes(file.read_bytes())
    targets = tmp_path / "var/run/targets.json"
    configuration = "deploy/prometheus/prometheus.yml"

    targets.write_text('[{"targets": ["127.0.0.1:9800"], "labels": {"job": "workers"}}]')
    ran = promtool("check", "config", "--lint=all", "--lint-fatal", configuration, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    targets.write_text('[{"targets": ["127.0.0.1:9800"')
    broken = promtool("check", "config", configuration, folder=tmp_path)
    assert broken.returncode != 0
    assert "targets.json" in broken.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_test_that_fires_and_one_that_does_not(name: str) -> None:
    expected = [
        case["exp_alerts"]
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == name
    ]
    assert any(expected)
    assert not all(expected)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_how_bad_it_is_what_it_is_and_where_its_page_is(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"].keys() == {"severity", "app"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"].keys() == {"summary", "runbook_url"}
    assert re.match(r"^[\w{].*\.$", rule["annotations"]["summary"])
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"


def test_each_rule_reads_our_series_only() -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    for rule in RULES:
        for each in selectors(rule["expr"]):
            if each.metric not in recorded:
                assert each.matchers.get("app") == ("=", "kafka-mongo-workers"), (rule, each.metric)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_is_of_one_fleet_and_says_of_which(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["app"] == "kafka-mongo-workers"
    # Fields that are not there are left out: where nothing is scraped, there is no host that could be named.
    group, host = r"{{ (with )?\$labels.group }}({{ . }})?", r".* on {{ (\$labels.host|\.) }}"
    of_the_whole_group = name == "FleetDown"
    assert re.match(group + ("" if of_the_whole_group else host) + r"({{ end }})?: ", rule["annotations"]["summary"])
    for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"]):
        assert "group" in labels.split(", "), name


@pytest.mark.parametrize("name", ALERTS)
def test_each_page_says_what_it_means_and_what_to_do(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS
    assert all(len(section.strip()) > 20 for section in re.split(r"^## .*$", page, flags=re.MULTILINE)[1:])


def test_each_page_begins_its_diagnosis_with_the_doctor() -> None:
    without = [
        page.name
        for page in RUNBOOKS.glob("*.md")
        if page.stem in ALERTS and not re.search(r"## Diagnosis\n\n- First `workers doctor`", page.read_text())
    ]
    assert without == []


def test_each_page_has_its_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == ALERTS.keys()
    for name in ALERTS:
        assert f"[{name}]({name}.md)" in (RUNBOOKS / "README.md").read_text()


def test_files_that_the_pages_name_exist_and_so_do_the_commands() -> None:
    from typer.core import TyperGroup
    from typer.main import get_command

    from workers.cli.main import application

    group = get_command(application())
    assert isinstance(group, TyperGroup)
    commands = set(group.commands)
    text = "".join(page.read_text() for page in RUNBOOKS.glob("*.md"))
    for file in set(re.findall(r"`((?:deploy|docs|grafana)/[\w./-]+)`", text)):
        assert (REPOSITORY / file).exists(), file
    assert set(re.findall(r"\bworkers ([a-z][a-z-]+)[` ]", "".join(re.findall(r"`[^`]+`", text)))) <= commands


def test_the_tests_and_the_data_source_know_how_often_it_scrapes() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["global"]["scrape_interval"]
    source = yaml.safe_load((REPOSITORY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    assert scraped == f"{SCRAPE_SECONDS}s" == source["datasources"][0]["jsonData"]["timeInterval"]
