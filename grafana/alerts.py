"""Our alerts: those that fire, counted; the list of them; and the marks that they leave on every panel."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard
from matchers import ALERT, MARK, OURS
from panels import GREEN, HEIGHT, RED, number

FIRING = f'ALERTS{{alertstate="firing", {ALERT}}}'
# Anchored, since some versions of Grafana match a part of a value. `pipe`: one|two, and for all of them: .+
# Nothing on the host: those versions leave out an alert that lacks a label that is asked for, and FleetDown has no host.
CHOSEN = 'group=~"^(${group:pipe})?$"'


class AlertList(Builder[dashboard.Panel]):
    """Grafana's panel "Alert list", which the SDK has no builder for.

    It does not query: Grafana asks every data source for the state of its alerts, so what is ours is told by labels.
    """

    def __init__(self, title: str, description: str, *, width: int) -> None:
        self._panel = dashboard.Panel(
            type_val="alertlist",
            title=title,
            description=description,
            grid_pos=dashboard.GridPos(h=HEIGHT, w=width, x=0, y=0),
            options={
                "viewMode": "list",
                "groupMode": "default",
                "groupBy": [],
                "sortOrder": 3,  # by importance
                "maxItems": 20,
                "dashboardAlerts": False,
                "alertName": "",
                "alertInstanceLabelFilter": f'{{{MARK}, severity!="none", {CHOSEN}}}',
                "stateFilter": {"firing": True, "pending": True, "noData": False, "normal": False, "error": True},
            },
        )

    def build(self) -> dashboard.Panel:
        return self._panel


def firing() -> stat.Panel:
    return number(
        "Alerts",
        "Alerts of the chosen groups that fire now. Each has a page in docs/runbooks.",
        "short",
        {"firing": f"count({FIRING}) or 0 * count(up{{{OURS}}})"},
        [(None, GREEN), (1, RED)],
    )


def listed() -> AlertList:
    return AlertList(
        "Alerts that fire, or soon will",
        "Of the chosen groups. A click on one shows what it means; its page is in docs/runbooks.",
        width=8,
    )
