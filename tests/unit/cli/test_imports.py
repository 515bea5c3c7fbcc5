"""What each command imports: a start is the time of its imports, so they are counted, and not the time.

What a command needs for its work is imported when it is called. What it needs for a server (MongoDB's driver) is imported
when it connects. Both are looked at where the command reads its settings: one of them is refused, so it goes no further.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.unit.cli.test_main import command_lines
from workers.cli import main as cli

COMMAND = """
import json, sys, sysconfig
_, told, *arguments = sys.argv
sys.argv = ["workers", *arguments]
from workers.cli.entry import main
code = None
try: main()
except SystemExit as ended: code = ended.code
site = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
of_others = {
    name.partition(".")[0]
    for name, module in list(sys.modules.items())
    if any((getattr(module, "__file__", None) or "").startswith(each) for each in site)
}
ours = [name for name in sys.modules if name.startswith("workers.")]
# Not to standard output, which the watchdog has for itself.
with open(told, "w") as file: json.dump([code, sorted(of_others), ours], file)
"""
INSTALLED = {"_distutils_hack", "attr"}
"""What an environment may import by itself, or rich where it is there."""
LINE = {"annotated_doc", "rich", "shellingham", "typer"}
"""The command line and the terminal."""
OPTIONS = {"annotated_types", "dotenv", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
"""Typer, too, checks the options of a command with pydantic."""
LOG = {"pygments", "structlog"}
KAFKA = LOG | {"cramjam", "crc32c", "kafka", "lz4", "snappy", "zstandard"}
METRICS = {"prometheus_client"}
COMMON = {
    "cli",
    "connection",
    "errors",
    "identity",
    "log_fields",
    "naming",
    "operations",
    "pauses",
    "records",
    "settings",
    "types",
}
DATA = {"decoding", "formats", "kafka", "pipeline", "sinks"}
FLEET = {"connection", "fleet", "kafka", "pipeline", "process", "sinks", "state"}

USES = {
    "audit": (KAFKA | METRICS | {"orjson"}, DATA | {"auditor", "connection", "log_fields", "monitoring", "process", "state", "verification"}),
    "chaos": (KAFKA | {"orjson"}, DATA | FLEET | {"drill", "verification"}),
    "config": (set(), set()),
    "dead-letters list": ({"orjson"}, {"decoding", "formats", "pipeline", "sinks", "verification"}),
    "dead-letters purge --all": ({"orjson"}, {"decoding", "formats", "pipeline", "sinks", "verification"}),
    "dead-letters replay --all": ({"orjson"}, {"decoding", "formats", "pipeline", "sinks", "verification"}),
    "dead-letters show x": ({"orjson"}, {"decoding", "formats", "pipeline", "sinks", "verification"}),
    "doctor": (KAFKA, {"doctor", "findings", "fleet", "grouped_findings", "kafka", "pipeline", "process", "sinks", "state"}),
    "init": ({"supervisor"}, {"fleet", "scaffold"}),
    "kill": (KAFKA | {"orjson"}, DATA | FLEET | {"drill", "verification"}),
    "lag": (KAFKA | METRICS | {"markdown_it", "mdurl"}, FLEET | {"log_fields", "monitoring", "web"}),
    "pause": (KAFKA, FLEET),
    "peek 0/1": (KAFKA | {"orjson"}, DATA | {"verification"}),
    "produce": (KAFKA, {"kafka"}),
    "restart": (KAFKA, FLEET),
    "resume": (KAFKA, FLEET),
    "run": (KAFKA | METRICS | {"orjson"}, DATA | {"fleet", "log_fields", "monitoring", "process", "state", "worker"}),
    "seek --to=latest": (KAFKA, {"kafka", "log_fields", "pipeline"}),
    "status": (KAFKA, FLEET),
    "verify": (KAFKA | {"orjson"}, DATA | {"fleet", "state", "verification"}),
    "watchdog": (KAFKA | METRICS | {"supervisor"}, (FLEET - {"sinks"}) | {"log_fields", "monitoring"}),
}  # fmt: skip
"""By command line: the libraries that it has imported when it reads its settings, and the packages of ours that it may have."""
ENDS = {"doctor": 1, "init": 0}
"""Exit codes of those that do not end with what is said of the setting, 78."""


@pytest.fixture
def folder():
    """With a path that is short enough for supervisord's socket, without which `init` refuses it."""
    with tempfile.TemporaryDirectory() as found:
        yield Path(found)


def imported(folder, *arguments: str, **environment: str) -> tuple[int, set[str], set[str]]:
    """The exit code of a command, the libraries and the modules of ours that it has imported."""
    told, here = folder / "imported.json", folder / "here"
    here.mkdir()
    subprocess.run(
        [sys.executable, "-c", COMMAND, str(told), *arguments],
        env={"PATH": os.defpath, **environment},
        cwd=here,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )
    code, of_others, ours = json.loads(told.read_text())
    return code or 0, set(of_others) - INSTALLED, {name.removeprefix("workers.") for name in ours}


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_no_command_is_left_out():
    assert {" ".join(each for each in line.split() if each[0].isalpha() and each != "x") for line in USES} == set(
        command_lines(cli.application())
    )


@pytest.mark.parametrize("command", USES)
def test_a_command_imports_what_it_uses_and_no_driver_before_it_connects(folder, command):
    libraries, own = USES[command]

    code, of_others, ours = imported(folder, *command.split(), WORKERS_MAX_DEPTH="0")

    assert code == ENDS.get(command, 78)
    assert of_others - LINE - OPTIONS == libraries
    assert packages(ours) - COMMON <= own


def test_the_help_of_all_commands_imports_none_of_what_they_work_with(folder):
    code, of_others, ours = imported(folder, "--help")

    assert code == 0
    assert of_others <= LINE
    words = {"drill", "drill.kill_steps", "fleet", "fleet.status", "fleet.status.group", "scaffold"}
    assert {name for name in ours if packages({name}) - COMMON} == words


def test_the_help_of_one_command_imports_no_other_command(folder):
    code, of_others, ours = imported(folder, "status", "--help")

    assert code == 0
    assert of_others <= LINE | OPTIONS
    assert {name for name in ours if name.startswith("cli.")} == {
        f"cli.{name}"
        for name in ("ctrl_c", "entry", "failure", "fleet", "help", "main", "options", "render", "streams", "terminal")
    }


def test_the_status_of_a_fleet_that_is_not_there_imports_no_driver_of_a_database(folder):
    code, of_others, _ = imported(
        folder, "status", WORKERS_BOOTSTRAP_SERVERS="127.0.0.1:1", WORKERS_MONGODB_URI="mongodb://127.0.0.1:1"
    )

    assert code == 2
    assert of_others - LINE - OPTIONS == KAFKA
