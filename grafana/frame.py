"""What all dashboards share: variables, annotations, links, and the form of the file."""

from __future__ import annotations

import json

from alerts import FIRING
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
from matchers import FLEET, MARK, OURS, RATE, WORKER
from panels import SOURCE

SOME = ".+"
"""Everything, without the series that have no such label."""
ANY = ".*"
"""Everything, with those that have none."""
TAG = "kafka-mongo-workers"


def frame(title: str, uid: str, description: str) -> build.Dashboard:
    made = build.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    made.time("now-15m", "now").refresh("5s").timezone("browser").tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    others = build.DashboardLink("Dashboards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    made.link(others.keep_time(True).include_vars(True))
    source = build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    made.with_variable(source.description("The Prometheus that scrapes the fleet."))
    for name, color, query, heading, text in ANNOTATIONS:
        made.annotation(
            build.AnnotationQuery()
            .name(name)
            .icon_color(color)
            .expr(query)
            .title_format(heading)
            .text_format(text)
            .use_value_for_time(name == "Restarts")
            .datasource(SOURCE)
            .enable(True)
            .hide(False)
            .step("5s")
        )
    return made


REBALANCED = f'sum by (group) (increase(workers_rebalances_total{{event="assigned", {OURS}}}[{RATE}]))'
# Grafana takes a value of 1 for "it was so then"; of a restart, the value is the very time.
ANNOTATIONS = (
    (
        "Restarts",
        "orange",
        f"process_start_time_seconds{{{WORKER}}} * 1000",
        "{{worker}} started",
        "A process of {{group}} began in this slot on {{host}}.",
    ),
    (
        "Rebalances",
        "blue",
        f"({REBALANCED} > bool 0) == 1",
        "{{group}} rebalanced",
        "Partitions were given out anew.",
    ),
    (
        "Alerts",
        "red",
        FIRING,
        "{{alertname}}",
        "{{severity}} {{group}} {{host}} {{worker}}{{process}} {{topic}} {{partition}}",
    ),
)


def choose_fleet(made: build.Dashboard, *, many: bool = True) -> None:
    """`many`: more than one group and one host can be chosen at once."""
    groups = f"label_values(up{{{MARK}}}, group)"
    made.with_variable(variable("group", "Group", groups, "Which consumer group: one fleet each.", many=many))
    hosts = f'label_values(up{{{MARK}, group=~"$group"}}, host)'
    made.with_variable(variable("host", "Host", hosts, "Which machine.", many=many))


def choose_processes(made: build.Dashboard) -> None:
    jobs = f"label_values(up{{{FLEET}}}, job)"
    made.with_variable(variable("job", "Job", jobs, "Which program: workers, lag, watchdog, auditor."))
    instances = f'label_values(up{{{FLEET}, job=~"$job"}}, instance)'
    made.with_variable(variable("instance", "Instance", instances, "Which process, by the address of its metrics."))


def variable(
    name: str, label: str, query: str, description: str, *, many: bool = True, everything: str = SOME
) -> build.QueryVariable:
    made = build.QueryVariable(name).label(label).description(description).datasource(SOURCE)
    made.query(query).definition(query).refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
    made.sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    if many:
        all_of_them = dashboard.VariableOption(text="All", value="$__all", selected=True)
        made.multi(True).include_all(True).all_value(everything).current(all_of_them)
    return made


def text(made: build.Dashboard) -> str:
    """The JSON of a dashboard: every panel has a number, in the order of the page."""
    built = made.build()
    number = 0
    for panel in built.panels or []:
        for each in [panel, *(panel.panels if isinstance(panel, dashboard.RowPanel) else [])]:
            number += 1
            each.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
