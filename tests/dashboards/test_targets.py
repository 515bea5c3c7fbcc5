"""What Prometheus is told to scrape: every process that supervisord.conf and local.d/ name, by slot."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import fresh_copy

OURS = {"app": "kafka-mongo-workers", "group": "counters", "host": socket.gethostname()}
USUAL = {
    "127.0.0.1:9790": {"job": "lag", **OURS},
    "127.0.0.1:9791": {"job": "watchdog", **OURS},
    "127.0.0.1:9792": {"job": "auditor", **OURS},
    "127.0.0.1:9800": {"job": "workers", "worker": "worker_00", **OURS},
    "127.0.0.1:9801": {"job": "workers", "worker": "worker_01", **OURS},
    "127.0.0.1:9802": {"job": "workers", "worker": "worker_02", **OURS},
    "127.0.0.1:9803": {"job": "workers", "worker": "worker_03", **OURS},
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return fresh_copy(tmp_path / "clone")


def write(clone: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(clone / "deploy/prometheus/targets.py")]
    environment = {**os.environ, **settings}
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def written(clone: Path) -> dict[str, Any]:
    targets = json.loads((clone / "var/run/targets.json").read_text())
    return {address: each["labels"] for each in targets for address in each["targets"]}


def test_a_fresh_clone_has_the_usual_ones_whether_anything_runs_or_not(clone: Path) -> None:
    assert write(clone, {}).returncode == 0
    assert written(clone) == USUAL


def test_it_follows_local_d_and_the_settings(clone: Path) -> None:
    (clone / "deploy/local.d/one.conf").write_text("[program:worker]\nnumprocs=1\n")
    (clone / ".env").write_text("WORKERS_METRICS_PORT=7000\nWORKERS_GROUP=other\n")
    assert write(clone, {"WORKERS_METRICS_HOST": "0.0.0.0", "WORKERS_LAG_PORT": "7100"}).returncode == 0
    ours = OURS | {"group": "other"}
    assert written(clone) == {
        "127.0.0.1:7100": {"job": "lag", **ours},
        "127.0.0.1:9791": {"job": "watchdog", **ours},
        "127.0.0.1:9792": {"job": "auditor", **ours},
        "127.0.0.1:7000": {"job": "workers", "worker": "worker_00", **ours},
    }


@pytest.mark.parametrize(
    ("settings", "conf", "said"),
    [
        ({"WORKERS_METRICS_PORT": "x"}, "", "WORKERS_METRICS_PORT=x"),
        ({"WORKERS_METRICS_PORT": "0"}, "", "set WORKERS_METRICS_PORT"),
        ({}, "[program:worker]\nnumprocs=some\n", "program:worker"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_the_file_as_it_was(
    clone: Path, settings: dict[str, str], conf: str, said: str
) -> None:
    write(clone, {})
    (clone / "deploy/local.d/wrong.conf").write_text(conf)
    wrong = write(clone, settings)
    assert (wrong.returncode, wrong.stderr.count("\n"), said in wrong.stderr) == (78, 1, True), wrong.stderr
    assert written(clone) == USUAL
