"""The rules of github.com/grafana/dashboard-linter for Prometheus, under its names, without Go.

The two for Loki's queries (target-logql-rule, target-logql-auto-rule) have nothing to look at here. Whether PromQL parses
is asked of promtool besides; here it is only whether the brackets fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.support.dashboards import panels
from tests.support.promql import Selector, selectors

Json = dict[str, Any]
CHECKED = {"stat", "singlestat", "graph", "table", "timeseries", "gauge"}
SHOWN = {"singlestat", "graph", "table", "timeseries"}
QUERIED = {"singlestat", "gauge", "table", "stat", "state-timeline", "timeseries"}
SOURCES = {"$datasource", "${datasource}"}
# Those of the linter's list that are used here; it has some two hundred.
UNITS = {"none", "short", "s", "bytes", "percentunit", "dateTimeAsLocalNoDateIfToday", "ops", "reqps", "rps"}
ON_TIME_RANGE_CHANGE = 2


class Finding(NamedTuple):
    """`panel` is None where the whole dashboard is meant."""

    rule: str
    panel: str | None
    said: str


def lint(dashboard: Json) -> list[Finding]:
    found = [Finding(rule, None, said) for rule, check in DASHBOARD_RULES.items() for said in check(dashboard)]
    for panel in panels(dashboard):
        found += [Finding(rule, panel["title"], said) for rule, check in PANEL_RULES.items() for said in check(panel)]
        for target in panel.get("targets", []):
            for rule, target_check in TARGET_RULES.items():
                found += [Finding(rule, panel["title"], said) for said in target_check(panel, target["expr"])]
    return found


# Of a dashboard


def uneditable(dashboard: Json) -> Iterator[str]:
    if dashboard.get("editable", False):
        yield "it can be edited"


def template_datasource(dashboard: Json) -> Iterator[str]:
    sources = [each for each in _variables(dashboard) if each["type"] == "datasource"]
    if not sources:
        yield "the data source is no variable"
    for each in sources:
        if each["name"] not in ("datasource", "prometheus_datasource"):
            yield f"its name is {each['name']}"
        if each["label"] not in ("Data source", "Prometheus data source"):
            yield f"its label is {each['label']}"


def _template(name: str) -> Callable[[Json], Iterator[str]]:
    def check(dashboard: Json) -> Iterator[str]:
        found = next((each for each in _variables(dashboard) if each["name"] == name), None)
        if found is None:
            yield f"there is no variable {name}"
            return
        right = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
        yield from (f"{key} is {found.get(key)!r}" for key, value in right.items() if found.get(key) != value)
        if found["datasource"]["uid"] not in SOURCES:
            yield "it does not ask the chosen data source"

    return check


def template_label_promql(dashboard: Json) -> Iterator[str]:
    for each in _queried(dashboard):
        asked = re.fullmatch(r"(?:label_names|label_values|metrics|query_result)\((.+?)(?:, \w+)?\)", each["query"])
        if asked is None:
            yield f"{each['name']} asks {each['query']}"
        else:
            yield from _problem(asked[1])


def template_on_time_change_reload(dashboard: Json) -> Iterator[str]:
    for each in _queried(dashboard):
        if each["refresh"] != ON_TIME_RANGE_CHANGE:
            yield f"{each['name']} is not asked again when the time changes"


def _variables(dashboard: Json) -> list[Json]:
    return list(dashboard["templating"]["list"])


def _queried(dashboard: Json) -> list[Json]:
    return [each for each in _variables(dashboard) if each["type"] == "query"]


# Of a panel


def panel_datasource(panel: Json) -> Iterator[str]:
    if panel["type"] in SHOWN and panel.get("datasource", {}).get("uid") not in SOURCES:
        yield "it does not ask the chosen data source"


def panel_title_description(panel: Json) -> Iterator[str]:
    if panel["type"] in CHECKED and not (panel.get("title") and panel.get("description")):
        yield "it has no title, or no description"


def panel_units(panel: Json) -> Iterator[str]:
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    if panel["type"] in CHECKED and not defaults.get("mappings") and defaults.get("unit") not in UNITS:
        yield f"its unit is {defaults.get('unit')}"


def panel_no_targets(panel: Json) -> Iterator[str]:
    if panel["type"] in CHECKED and not panel.get("targets"):
        yield "it asks nothing"


# Of a query


def target_promql(panel: Json, expression: str) -> Iterator[str]:
    if panel["type"] in QUERIED:
        yield from _problem(expression)


def target_rate_interval(panel: Json, expression: str) -> Iterator[str]:
    for each in _read(expression):
        if panel["type"] in QUERIED and each.function in ("rate", "irate") and each.window != "$__rate_interval":
            yield f"{each.metric} is a rate over {each.window}"


def target_counter_agg(_: Json, expression: str) -> Iterator[str]:
    for each in _read(expression):
        if each.metric.endswith("_total") and (each.function not in ("rate", "irate", "increase") or not each.window):
            yield f"{each.metric} is a counter, and is read as a gauge"


def _matcher(label: str) -> Callable[[Json, str], Iterator[str]]:
    def check(_: Json, expression: str) -> Iterator[str]:
        for each in _read(expression):
            if each.matchers.get(label) != ("=~", f"${label}"):
                yield f"{each.metric} is of any {label}"

    return check


def _read(expression: str) -> list[Selector]:
    try:
        return selectors(expression)
    except ValueError:
        return []  # target-promql-rule tells of it


def _problem(expression: str) -> Iterator[str]:
    try:
        selectors(expression)
    except ValueError as error:
        yield str(error)


DASHBOARD_RULES: dict[str, Callable[[Json], Iterator[str]]] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": _template("job"),
    "template-instance-rule": _template("instance"),
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "uneditable-dashboard": uneditable,
}
PANEL_RULES: dict[str, Callable[[Json], Iterator[str]]] = {
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
}
TARGET_RULES: dict[str, Callable[[Json, str], Iterator[str]]] = {
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": _matcher("job"),
    "target-instance-rule": _matcher("instance"),
    "target-counter-agg-rule": target_counter_agg,
}
RULES = [*DASHBOARD_RULES, *PANEL_RULES, *TARGET_RULES]
