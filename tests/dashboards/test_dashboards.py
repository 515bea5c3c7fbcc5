"""The dashboards' files: made by the script, in Grafana's own model, and what is where on the page.

The rules of grafana/dashboard-linter are in test_lint.py, and whether the queries find anything is in test_drill.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.dashboards import FOLDER, NAMES, panels, queries, read, variables
from tests.support.embedded import REPOSITORY
from tests.support.promql import selectors

UNITS = {
    r"^(?!count|.*batches).*\brate\((workers_records|workers_dead_letters|kafka_topic)": "count:rec/s",
    r"\brate\(kafka_consumergroup_current_offset": "count:rec/s",
    r"\brate\(workers_commits": "count:commits/s",
    r"\brate\(workers_write_retries": "count:retries/s",
    r"\bincrease\(workers_(dead_letters|lost_records)|workers_audit_records|^sum.*workers_lag_records": "count:rec",
    r"\bincrease\((?!workers_(dead_letters|lost_records))|^count|^up|batches|_partitions|partition_(un|halted)|workers_topic_|process_state": "short",
    r"^max by.*(lag_records|unstable_records|headroom_records)|workers_partition_unowned|_process_state": "short",
    r"^time\(\)|^max\(workers_(lag|audit_behind)_seconds|^max by.*lag_seconds|histogram_quantile": "s",
    r"_bytes": "bytes",
    r"process_cpu|^1 - avg_over_time": "percentunit",
    r"timestamp_seconds.* \* 1000": "dateTimeAsLocalNoDateIfToday",
}
"""By what a query looks like."""
GRID = 24


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dashboard(name: str) -> dict[str, Any]:
    return read(FOLDER / name)


def test_there_are_no_others() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(NAMES)


def test_each_is_what_the_script_makes(name: str) -> None:
    script = "import json, make; print(json.dumps(make.made()))"
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY / "grafana", capture_output=True, text=True, check=True
    )
    assert (FOLDER / name).read_text() == json.loads(made.stdout)[name], "run `make dashboards`"


# Grafana's model


def test_each_is_in_the_model_of_grafana(dashboard: dict[str, Any]) -> None:
    assert differences(dashboard) == []


def test_what_is_not_in_the_model_is_found_with_its_place(name: str) -> None:
    edited = read(FOLDER / name)
    edited["panels"][1]["titel"] = "by hand"
    edited["templating"]["list"][0]["lable"] = "by hand"
    assert differences(edited) == ["panels[1].titel", "templating.list[0].lable"]


def test_json_broken_by_hand_is_found_with_its_line(name: str, tmp_path: Path) -> None:
    lines = (FOLDER / name).read_text().splitlines()
    lines[9] = lines[9].replace(":", "", 1)
    (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"^{name}, line 10, column \d+: "):
        read(tmp_path / name)


def differences(dashboard: dict[str, Any]) -> list[str]:
    """Places that do not survive a way through the model: it drops what it does not know."""
    register_default_plugins()
    through = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
    return list(compare(dashboard, through, ""))


def compare(written: Any, understood: Any, place: str) -> Iterator[str]:
    if isinstance(written, dict) and isinstance(understood, dict):
        for key, value in written.items():
            yield from compare(value, understood.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        for number, (left, right) in enumerate(zip(written, understood, strict=True)):
            yield from compare(left, right, f"{place}[{number}]")
    elif written != understood:
        yield place


# What is on the page


def test_it_is_found_under_a_fixed_uid_and_says_what_it_is_for(name: str, dashboard: dict[str, Any]) -> None:
    assert dashboard["uid"] == {"fleet.json": "kafka-mongo-workers", "worker.json": "kafka-mongo-workers-worker"}[name]
    assert dashboard.get("id") is None
    assert dashboard["title"]
    assert dashboard["description"]


def test_the_first_row_says_whether_all_is_well() -> None:
    dashboard = read(FOLDER / "fleet.json")
    first, *_ = [panel for panel in dashboard["panels"] if panel["type"] == "row"]
    assert not first.get("collapsed")
    top = [panel["title"] for panel in panels(dashboard) if panel["gridPos"]["y"] == first["gridPos"]["y"] + 1]
    assert top == ["Throughput", "Workers", "Lag", "Age of the oldest", "Every record is accounted for until", "Alerts"]


def test_what_is_not_looked_at_first_is_folded() -> None:
    _, *others = [panel for panel in read(FOLDER / "fleet.json")["panels"] if panel["type"] == "row"]
    assert len(others) == 7
    assert all(row["collapsed"] and row["panels"] for row in others)


def test_the_list_of_alerts_is_of_ours_and_of_the_chosen() -> None:
    (listed,) = [panel for panel in panels(read(FOLDER / "fleet.json")) if panel["type"] == "alertlist"]
    matchers = listed["options"]["alertInstanceLabelFilter"]
    (selector,) = selectors(f"ALERTS{matchers}")
    assert selector.matchers == {
        "app": ("=", "kafka-mongo-workers"),
        "severity": ("!=", "none"),
        "group": ("=~", "^(${group:pipe})?$"),
    }


def test_every_panel_has_a_title_a_description_and_a_query_to_the_chosen_data_source(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        if panel["type"] != "alertlist":
            assert panel["targets"], panel["title"]
            assert {each["datasource"]["uid"] for each in [panel, *panel["targets"]]} == {"${datasource}"}
    for annotation in dashboard["annotations"]["list"]:
        assert annotation["datasource"]["uid"] == "${datasource}"


def test_every_unit_is_that_of_what_is_shown(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            found = {unit for pattern, unit in UNITS.items() if re.search(pattern, target["expr"])}
            # Grafana's `rps` is reads a second.
            assert panel["fieldConfig"]["defaults"]["unit"] in found, (panel["title"], found)
            assert len(found) == 1, panel["title"]


def test_no_two_panels_have_one_title_one_number_or_one_place(dashboard: dict[str, Any]) -> None:
    every = [each for panel in dashboard["panels"] for each in [panel, *panel.get("panels", [])]]
    for what in ("title", "id"):
        assert len({panel[what] for panel in every}) == len(every)
    places = [
        (column, line)
        for panel in every
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(column for column, _ in places) < GRID


def test_the_dashboards_lead_to_each_other_with_what_is_chosen(name: str, dashboard: dict[str, Any]) -> None:
    (link,) = dashboard["links"]
    assert (link["type"], link["tags"], link["includeVars"]) == ("dashboards", dashboard["tags"], True)
    if name == "fleet.json":
        (states,) = [panel for panel in panels(dashboard) if panel["type"] == "state-timeline"]
        (to_worker,) = states["fieldConfig"]["defaults"]["links"]
        path, chosen = to_worker["url"].split("?")
        assert path == f"/d/{read(FOLDER / 'worker.json')['uid']}"
        labels = {"group": "group", "host": "host", "worker": "process"}
        wanted = {f"var-{variable}=${{__field.labels.{label}}}" for variable, label in labels.items()}
        assert set(chosen.split("&")) == wanted | {"${datasource:queryparam}"}


# What it asks for


def test_every_query_asks_for_our_series_of_the_chosen_group_and_host(name: str) -> None:
    mark = {"app": ("=", "kafka-mongo-workers")}
    chosen = {"group": ("=~", "$group"), "host": ("=~", "$host")}
    # Where nothing is scraped, an alert has neither, and is everybody's.
    of_alerts = {"group": ("=~", "$group|"), "host": ("=~", "$host|")}
    for query in queries(name):
        for each in selectors(query.expression):
            wanted = mark | (of_alerts if each.metric == "ALERTS" else chosen)
            assert wanted.items() <= each.matchers.items(), f"{query.where}: {each.metric}"


def test_every_variable_offers_what_is_ours(name: str) -> None:
    for variable in variables(name).values():
        for each in selectors(re.sub(r", \w+\)$", ")", variable["query"])) if variable["type"] == "query" else []:
            assert each.matchers["app"] == ("=", "kafka-mongo-workers"), variable["name"]


def test_a_choice_of_all_is_without_foreign_series_and_with_those_that_have_no_route() -> None:
    found = variables("fleet.json")
    assert {name: found[name]["allValue"] for name in ("group", "host", "topic", "route")} == {
        "group": ".+",
        "host": ".+",
        "topic": ".+",
        "route": ".*",
    }
    # One worker is of one group, on one host.
    assert not any(variables("worker.json")[name].get("multi") for name in ("group", "host", "worker"))


def test_every_range_is_one_that_grafana_knows_or_a_minute(name: str) -> None:
    for query in queries(name):
        windows = {each.window for each in selectors(query.expression) if each.function == "increase"}
        assert windows <= {"$__rate_interval", "$__range"}, query.where


# Provisioning


def test_what_is_provisioned_is_a_prometheus_and_a_folder_of_dashboards() -> None:
    folder = REPOSITORY / "grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["access"], source["isDefault"]) == ("prometheus", "proxy", True)
    (provider,) = yaml.safe_load((folder / "dashboards/fleet.yaml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
