"""What the README says about settings and commands is what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from workers.errors import ExitCode
from workers.fleet.watchdog.hang_detector import Hang
from workers.monitoring.watchdog_metrics import WatchdogMetrics
from workers.monitoring.worker_metrics import WorkerMetrics
from workers.settings import PREFIX, Settings
from workers.state.event_log import Event

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_stands_there_with_its_default_and_meaning(name):
    field = Settings.model_fields[name]
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default

    shown = "" if default is None else f"`{default}`"
    assert f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |" in README


def test_every_setting_there_exists():
    named = {line.split("`")[1] for line in README.splitlines() if line.startswith(f"| `{PREFIX}")}

    assert named == {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_stands_there(code):
    assert f"| {int(code)} | " in README


@pytest.mark.parametrize("word", [*Event, *Hang])
def test_every_event_and_way_to_hang_stands_there(word):
    assert f"`{word}`" in README


def test_every_metric_stands_there():
    registries = (WorkerMetrics("numtest").registry, WatchdogMetrics().registry)
    families = {family.name for registry in registries for family in registry.collect()}
    names = {name for name in families if name.startswith("workers_")}

    missing = [name for name in names if f"`{name}" not in README]
    assert missing == []
