"""The dashboards as Grafana reads them: their panels, and every query in them, with its variables filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.embedded import REPOSITORY

FOLDER = REPOSITORY / "grafana/dashboards"
NAMES = ("fleet.json", "worker.json")


class Query(NamedTuple):
    where: str
    """For messages: dashboard, panel, letter."""
    expression: str
    labels: set[str]
    """That the legend or the columns show, so that each series must have them."""

    def filled(self, **values: str) -> str:
        """As Grafana sends it."""
        text = self.expression
        for name, value in values.items():
            text = re.sub(rf"\$(?:{name}\b|{{{name}}})", value, text)
        assert "$" not in text.replace("$__", ""), text
        return text


def read(path: Path) -> dict[str, Any]:
    """Raises ValueError with file, line and column."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    return found


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """In the order of the page: without the rows, with what is folded in them."""
    every = [each for panel in dashboard["panels"] for each in [panel, *panel.get("panels", [])]]
    return [panel for panel in every if panel["type"] != "row"]


def queries(name: str) -> Iterator[Query]:
    """Of the panels and of the annotations."""
    dashboard = read(FOLDER / name)
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            shown = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
            for transformation in panel.get("transformations", []):
                shown |= set(transformation["options"]["renameByName"]) - {"Value"}
            yield Query(f"{name}, {panel['title']!r}, {target['refId']}", target["expr"], shown)
    for annotation in dashboard["annotations"]["list"]:
        shown = set(re.findall(r"{{(\w+)}}", annotation["titleFormat"]))
        yield Query(f"{name}, annotation {annotation['name']!r}", annotation["expr"], shown)


def variables(name: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in read(FOLDER / name)["templating"]["list"]}
