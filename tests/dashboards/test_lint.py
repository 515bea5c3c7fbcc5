"""The dashboards by the rules of grafana/dashboard-linter; and that each rule can find something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.support.dashboard_lint import RULES, lint
from tests.support.dashboards import FOLDER, NAMES, panels, queries, read, variables
from tests.support.embedded import REPOSITORY
from tests.support.prometheus import promtool

EXCLUSIONS = yaml.safe_load((REPOSITORY / "grafana/lint.yaml").read_text())["exclusions"]
EXCLUDED = {(rule, entry["panel"]) for rule, each in EXCLUSIONS.items() for entry in each["entries"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_keeps_the_rules(name: str) -> None:
    found = lint(read(FOLDER / name))
    assert [each for each in found if (each.rule, each.panel) not in EXCLUDED] == []


def test_each_exception_is_needed_and_has_a_reason() -> None:
    found = {(each.rule, each.panel) for name in NAMES for each in lint(read(FOLDER / name))}
    assert EXCLUDED - found == set()
    assert all(len(each["reason"]) > 40 for each in EXCLUSIONS.values())


# Each breaks a dashboard of which nothing is wrong.


def right() -> dict[str, Any]:
    matchers = 'job=~"$job", instance=~"$instance"'
    source = {"type": "prometheus", "uid": "${datasource}"}
    asked = {"type": "query", "datasource": source, "multi": True, "allValue": ".+", "refresh": 2}
    return {
        "editable": False,
        "templating": {
            "list": [
                {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"},
                {**asked, "name": "job", "label": "Job", "query": "label_values(up, job)"},
                {**asked, "name": "instance", "label": "Instance", "query": 'label_values(up{job=~"$job"}, instance)'},
            ]
        },
        "panels": [
            {
                "type": "row",
                "title": "Folded",
                "panels": [
                    {
                        "type": "timeseries",
                        "title": "Retries",
                        "description": "How many.",
                        "datasource": source,
                        "fieldConfig": {"defaults": {"unit": "short"}},
                        "targets": [
                            {
                                "expr": f"sum by (worker) (rate(workers_retries_total{{{matchers}}}[$__rate_interval])) > 0"
                            }
                        ],
                    }
                ],
            }
        ],
    }


def panel(dashboard: dict[str, Any]) -> dict[str, Any]:
    return panels(dashboard)[0]


def asked(dashboard: dict[str, Any], old: str, new: str) -> None:
    (target,) = panel(dashboard)["targets"]
    assert old in target["expr"]
    target["expr"] = target["expr"].replace(old, new)


BROKEN: dict[str, list[Callable[[dict[str, Any]], Any]]] = {
    "uneditable-dashboard": [lambda it: it.update(editable=True)],
    "template-datasource-rule": [
        lambda it: it["templating"]["list"].pop(0),
        lambda it: it["templating"]["list"][0].update(label="Prometheus"),
        lambda it: it["templating"]["list"][0].update(name="source"),
    ],
    "template-job-rule": [
        lambda it: it["templating"]["list"].pop(1),
        lambda it: it["templating"]["list"][1].update(multi=False),
        lambda it: it["templating"]["list"][1].update(allValue=".*"),
        lambda it: it["templating"]["list"][1].update(label="job"),
        lambda it: it["templating"]["list"][1].update(datasource={"uid": "mine"}),
    ],
    "template-instance-rule": [
        lambda it: it["templating"]["list"].pop(2),
        lambda it: it["templating"]["list"][2].update(type="custom"),
    ],
    "template-label-promql-rule": [
        lambda it: it["templating"]["list"][1].update(query="label_values(up{, job)"),
        lambda it: it["templating"]["list"][1].update(query="labels(up, job)"),
    ],
    "template-on-time-change-reload-rule": [lambda it: it["templating"]["list"][1].update(refresh=1)],
    "panel-datasource-rule": [lambda it: panel(it).update(datasource={"uid": "mine"})],
    "panel-title-description-rule": [lambda it: panel(it).update(title=""), lambda it: panel(it).pop("description")],
    "panel-units-rule": [
        lambda it: panel(it)["fieldConfig"]["defaults"].update(unit="records"),
        lambda it: panel(it).pop("fieldConfig"),
    ],
    "panel-no-targets-rule": [lambda it: panel(it).pop("targets")],
    "target-promql-rule": [
        lambda it: asked(it, "))", ")"),
        lambda it: asked(it, '"$job"', '"$job'),
        lambda it: panel(it)["targets"][0].update(expr=""),
    ],
    "target-rate-interval-rule": [lambda it: asked(it, "$__rate_interval", "5m")],
    "target-job-rule": [lambda it: asked(it, 'job=~"$job", ', ""), lambda it: asked(it, "=~", "=")],
    "target-instance-rule": [
        lambda it: asked(it, '"$instance"', '".+"'),
        lambda it: asked(it, " > 0", ' / on () group_left () count(up{job=~"$job"})'),
    ],
    "target-counter-agg-rule": [
        lambda it: asked(it, "rate(", "max_over_time("),
        lambda it: asked(it, "[$__rate_interval]", ""),
    ],
}


def test_the_right_dashboard_keeps_every_rule() -> None:
    assert lint(right()) == []


def test_every_rule_is_broken_by_one_that_is_wrong() -> None:
    assert sorted(BROKEN) == sorted(RULES)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [(rule, way) for rule, ways in BROKEN.items() for way in ways],
    ids=[f"{rule}-{number}" for rule, ways in BROKEN.items() for number in range(len(ways))],
)
def test_a_broken_dashboard_is_found_by_the_rule_that_it_breaks(
    rule: str, broken: Callable[[dict[str, Any]], Any]
) -> None:
    dashboard = right()
    broken(dashboard)
    assert rule in {each.rule for each in lint(dashboard)}


# What a query is, only Prometheus knows.


@pytest.mark.integration
@pytest.mark.slow
def test_every_query_and_variable_parses(tmp_path: Any) -> None:
    written = [query.filled(**dict.fromkeys(CHOSEN, "x"), __range="1m", __rate_interval="8s") for query in ALL]
    assert parsed(tmp_path, written) == ""
    assert "parse error" in parsed(tmp_path, [*written, "sum(up))"])


CHOSEN = {each for name in NAMES for each in variables(name)}
ALL = [query for name in NAMES for query in queries(name)]


def parsed(folder: Any, expressions: list[str]) -> str:
    """What promtool says against them, as rules that would record them."""
    file = folder / "queries.yml"
    rules = [{"record": f"query:{number}", "expr": each} for number, each in enumerate(expressions)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    ran = promtool("check", "rules", str(file))
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr
