"""The kinds of panel that the dashboards are made of, each as a function of what differs."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8
GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "text"
# Grafana's unit `rps` is reads a second. `count:` is its form for a unit of one's own that is shortened: 1.5K rec/s.
RECORDS, RECORDS_A_SECOND = "count:rec", "count:rec/s"
COMMITS_A_SECOND, RETRIES_A_SECOND = "count:commits/s", "count:retries/s"
Steps = Sequence[tuple[float | None, str]]
FINE: Steps = [(None, GREEN)]
PLAIN: Steps = [(None, GREY)]
"""It is neither good nor bad."""
Queries = Mapping[str, str]
"""By legend."""


def number(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    steps: Steps = FINE,
    *,
    width: int = 4,
    decimals: int | None = 0,
    colors: Mapping[str, str] | None = None,
    unknown: str = "unknown",
    legend_only: bool = False,
) -> stat.Panel:
    """What is so now. `colors`: fixed ones, by legend. `legend_only`: the value is only the color of its legend."""
    panel = stat.Panel().reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel.title(title).description(description).unit(unit).span(width).height(5)
    if decimals is not None:
        panel.decimals(decimals)
    panel.color_mode(common.BigValueColorMode.VALUE).graph_mode(common.BigValueGraphMode.NONE).no_value(unknown)
    if legend_only:
        panel.text_mode(common.BigValueTextMode.NAME)
    else:
        several = common.BigValueTextMode.VALUE_AND_NAME
        panel.text_mode(several if len(queries) > 1 else common.BigValueTextMode.VALUE)
    panel.thresholds(_thresholds(steps)).datasource(SOURCE)
    for name, color in (colors or {}).items():
        fixed = dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
        panel.override_by_name(name, [fixed])
    for query in _queries(queries):
        panel.with_target(query.instant())
    return panel


def lines(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    width: int = 8,
    limit: float | None = None,
    stacked: bool = False,
    bars: bool = False,
    colors: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """What was so over time. `limit`: from there on it is red. `bars`: whole things, counted."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).min(0).span(width).height(HEIGHT)
    panel.datasource(SOURCE).fill_opacity(60 if bars or stacked else 5).show_points(common.VisibilityMode.NEVER)
    legend = build_common.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
    panel.legend(legend.display_mode(common.LegendDisplayMode.LIST).calcs(["lastNotNull", "max"]))
    panel.tooltip(
        build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    if bars:
        # Prometheus extrapolates an increase: of one restart it makes 1.07.
        panel.draw_style(common.GraphDrawStyle.BARS).decimals(0)
    if bars or stacked:
        panel.stacking(build_common.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if limit is not None:
        panel.thresholds(_thresholds([(None, GREEN), (limit, RED)]))
        panel.thresholds_style(build_common.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    for name, color in (colors or {}).items():
        fixed = dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
        panel.override_by_name(name, [fixed])
    for query in _queries(queries):
        panel.with_target(query)
    return panel


def states(
    title: str,
    description: str,
    queries: Queries,
    names: Mapping[int, tuple[str, str]],
    *,
    width: int = 24,
    link: tuple[str, str] | None = None,
) -> statetimeline.Panel:
    """A row for each series, colored by its value. `names`: text and color by value; `link`: title and address."""
    results = {
        str(value): dashboard.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(names.items())
    }
    panel = statetimeline.Panel().title(title).description(description).unit("short").span(width).height(HEIGHT)
    panel.mappings([dashboard.ValueMap(options=results)]).datasource(SOURCE)
    panel.show_value(common.VisibilityMode.AUTO).merge_values(True).row_height(0.8)
    if link:
        panel.data_links([build.DashboardLink(link[0]).url(link[1]).keep_time(True)])
    for query in _queries(queries):
        panel.with_target(query)
    return panel


def rows(
    title: str, description: str, unit: str, expression: str, columns: Mapping[str, str], *, width: int = 8
) -> table.Panel:
    """A table of what is so now. `columns`: heading by label, in their order; "Value" is the number."""
    panel = table.Panel().title(title).description(description).unit(unit).span(width).height(HEIGHT)
    order = {name: place for place, name in enumerate(columns)}
    # The time of asking is no news.
    hidden = {"Time": True}
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": hidden, "indexByName": order, "renameByName": dict(columns)},
        )
    )
    panel.no_value("nothing").datasource(SOURCE)
    query = prometheus.Dataquery().expr(expression).ref_id("A").instant().datasource(SOURCE)
    return panel.with_target(query.format(PromQueryFormat.TABLE))


def _queries(queries: Queries) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(SOURCE)
        for letter, (legend, expression) in zip(string.ascii_uppercase, queries.items(), strict=False)
    ]


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    mode = dashboard.ThresholdsMode.ABSOLUTE
    return build.ThresholdsConfig().mode(mode).steps([dashboard.Threshold(value, color) for value, color in steps])
