"""The dashboards' files: made by the script, in Grafana's own model, and by the rules of grafana/dashboard-linter.

Whether their queries find anything is in test_drill.py.
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

UNITS = {"short", "s", "rps", "ops", "percentunit", "bytes", "dateTimeAsLocal"}
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


# The rules of grafana/dashboard-linter


def test_it_is_found_under_a_fixed_uid_and_not_edited_on_the_page(name: str, dashboard: dict[str, Any]) -> None:
    assert dashboard["uid"] == {"fleet.json": "kafka-mongo-workers", "worker.json": "kafka-mongo-workers-worker"}[name]
    assert (dashboard["editable"], dashboard.get("id")) == (False, None)
    assert dashboard["title"]
    assert dashboard["description"]


def test_the_data_source_the_job_and_the_instance_are_variables(name: str) -> None:
    found = variables(name)
    assert (found["datasource"]["type"], found["datasource"]["query"]) == ("datasource", "prometheus")
    assert found["datasource"]["label"] == "Data source"
    for each, label in (("job", "Job"), ("instance", "Instance")):
        variable = found[each]
        assert (variable["type"], variable["label"], variable["multi"], variable["allValue"]) == (
            "query",
            label,
            True,
            ".+",
        )
    on_time_range_change = 2
    for variable in found.values():
        if variable["type"] == "query":
            assert variable["refresh"] == on_time_range_change
            assert variable["datasource"]["uid"] == "${datasource}"


def test_every_panel_has_a_title_a_description_a_unit_and_a_query_to_the_chosen_data_source(
    dashboard: dict[str, Any],
) -> None:
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        assert {each["datasource"]["uid"] for each in [panel, *panel["targets"]]} == {"${datasource}"}, panel["title"]
    for annotation in dashboard["annotations"]["list"]:
        assert annotation["datasource"]["uid"] == "${datasource}"


def test_no_two_panels_have_one_title_one_number_or_one_place(dashboard: dict[str, Any]) -> None:
    for what in ("title", "id"):
        assert len({panel[what] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    places = [
        (column, line)
        for panel in dashboard["panels"]
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(column for column, _ in places) < GRID


def test_every_query_asks_for_the_chosen_jobs_and_instances(name: str) -> None:
    for query in queries(name):
        for selector in re.findall(r"\b(?:workers|kafka|process)_\w+({[^}]*})?|\bup({[^}]*})", query.expression):
            matchers = "".join(selector)
            assert 'job=~"$job"' in matchers, query.where
            assert 'instance=~"$instance"' in matchers, query.where


def test_counters_are_read_as_rates_over_what_grafana_says(name: str) -> None:
    for query in queries(name):
        for before in re.findall(r"(\S*?)\bworkers_\w+(?:_total|_bucket|_count|_sum)\b", query.expression):
            assert re.search(r"(rate|increase)\($", before), query.where
        assert set(re.findall(r"(?<!_)rate\([^\[]*\[([^\]]*)\]", query.expression)) <= {"$__rate_interval"}, query.where
        assert set(re.findall(r"increase\([^\[]*\[([^\]]*)\]", query.expression)) <= {"$__rate_interval", "$__range"}


def test_the_dashboards_lead_to_each_other(name: str, dashboard: dict[str, Any]) -> None:
    (link,) = dashboard["links"]
    assert (link["type"], link["tags"]) == ("dashboards", dashboard["tags"])
    if name == "fleet.json":
        assert f"/d/{read(FOLDER / 'worker.json')['uid']}?var-worker=" in (FOLDER / name).read_text()


# Provisioning


def test_what_is_provisioned_is_a_prometheus_and_a_folder_of_dashboards() -> None:
    folder = REPOSITORY / "grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["access"], source["isDefault"]) == ("prometheus", "proxy", True)
    (provider,) = yaml.safe_load((folder / "dashboards/fleet.yaml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
