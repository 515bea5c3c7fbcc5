"""What all dashboards share: variables, annotations, links, and the form of the file."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
from panels import OURS, SOURCE, WORKER

LINTED_ALL = ".+"
"""Everything, without the series that have no such label."""
TAG = "kafka-mongo-workers"


def frame(title: str, uid: str, description: str) -> build.Dashboard:
    made = build.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    made.time("now-15m", "now").refresh("5s").timezone("browser").tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    made.link(
        build.DashboardLink("Dashboards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True)
    )
    source = build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    made.with_variable(source.description("The Prometheus that scrapes the fleet."))
    made.with_variable(variable("job", "Job", "label_values(up, job)", "Which program: workers, lag, watchdog."))
    instances = 'label_values(up{job=~"$job"}, instance)'
    made.with_variable(variable("instance", "Instance", instances, "Which process, by the address of its metrics."))
    for annotation in ANNOTATIONS:
        made.annotation(
            build.AnnotationQuery()
            .name(annotation[0])
            .icon_color(annotation[1])
            .expr(annotation[2])
            .title_format(annotation[3])
            .text_format(annotation[4])
            .use_value_for_time(annotation[0] == "Restarts")
            .datasource(SOURCE)
            .enable(True)
            .hide(False)
            .step("5s")
        )
    return made


# Grafana takes a value of 1 for "it was so then"; of a restart, the value is the very time.
ANNOTATIONS = (
    (
        "Restarts",
        "orange",
        f"process_start_time_seconds{{{WORKER}}} * 1000",
        "{{worker}} started",
        "A process began in this slot.",
    ),
    (
        "Rebalances",
        "blue",
        f'(sum by (job) (increase(workers_rebalances_total{{event="assigned", {OURS}}}[$__rate_interval])) > bool 0) == 1',
        "rebalance",
        "Partitions were given out anew.",
    ),
    (
        "Alerts",
        "red",
        'ALERTS{alertstate="firing", alertname!="Heartbeat"}',
        "{{alertname}}",
        "{{severity}} {{worker}}{{process}} {{topic}} {{partition}}",
    ),
)


def variable(
    name: str, label: str, query: str, description: str, *, many: bool = True, hide: bool = False
) -> build.QueryVariable:
    made = build.QueryVariable(name).label(label).description(description).datasource(SOURCE)
    made.query(query).definition(query).refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
    made.sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    if hide:
        made.hide(dashboard.VariableHide.HIDE_VARIABLE)
    if many:
        everything = dashboard.VariableOption(text="All", value="$__all", selected=True)
        made.multi(True).include_all(True).all_value(LINTED_ALL).current(everything)
    return made


def text(made: build.Dashboard) -> str:
    """The JSON of a dashboard: every panel has a number, in the order of the page."""
    built = made.build()
    for number, panel in enumerate(built.panels or [], 1):
        panel.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
