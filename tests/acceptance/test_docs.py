"""The commands of README and docs, run as a reader runs them: page by page, from the top, in one shell for each page.

What a block needs, and why one is not run, stands in the comment before it: tests/support/doc_blocks.py. Lines that a page
shows as printed must be printed, but for numbers and ids.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo import demo_fleet
from tests.support.doc_blocks import REPOSITORY, RUN, Block, Command, blocks, pages, same
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.user import BIN

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PAGES = [page for page in pages() if any(each.language in RUN and "not run" not in each.marks for each in blocks(page))]
PAGE_SECONDS = 240
DONE = "@@done"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """As `make demo` leaves one: a stack and a fleet in one folder, with the environment of the project in `.venv`."""
    with demo_fleet(EmbeddedStack().__enter__()) as running:
        (running.tree / ".venv").symlink_to(sys.prefix)
        running.produce("--count", "1000")
        yield running


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_commands_of_a_page_do_what_it_says(fleet, page):
    wait_until(lambda: fleet.command("status").returncode == 0, 60, "the fleet is healthy")
    wanted = [(block, command) for block in blocks(page) for command in runnable(block)]

    for (block, command), (code, printed) in zip(
        wanted, run(fleet, [command.text for _, command in wanted]), strict=True
    ):
        where = f"{block}: $ {command.text}\n{printed}\nexit code {code}"
        assert code in block.exit_codes, where
        assert [line for line in command.output if not any(same(line, each) for each in printed.splitlines())] == [], (
            where
        )


def runnable(block: Block) -> list[Command]:
    if block.language not in RUN or "not run" in block.marks:
        return []
    return block.commands


def run(fleet: Fleet, commands: list[str]) -> list[tuple[int, str]]:
    """All commands in one shell. Returns the exit code of each, and what it printed, without the names of this test."""
    script = "".join(f"{{ {here(fleet, each)}\n}} 2>&1\nprintf '\\n{DONE} %d\\n' $?\n" for each in commands)
    # What a page leaves in the background ends with it.
    script += "kill $(jobs -p) 2>/dev/null; wait\n"
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=fleet.tree,
        env=fleet.environment | {"PATH": f"{BIN}:{os.defpath}", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PAGE_SECONDS,
    )
    said = (
        ran.stdout.replace(fleet.topic, "numtest").replace(fleet.group, "counters").replace(fleet.database, "numtest")
    )
    parts = re.split(rf"\n{DONE} (\d+)\n", said)
    return [(int(code), printed) for printed, code in zip(parts[::2], parts[1::2], strict=False)]


def here(fleet: Fleet, command: str) -> str:
    """A command of the documentation with the addresses and names of this fleet in place of the usual ones."""
    places = {
        "-c supervisord.conf": "-c deploy/supervisord.conf",
        "127.0.0.1:9790": f"127.0.0.1:{fleet.lag_port}",
        "127.0.0.1:9791": f"127.0.0.1:{fleet.watchdog_port}",
        "127.0.0.1:9800": f"127.0.0.1:{fleet.metrics_port}",
        "pymongo.MongoClient().numtest.numtest": f"pymongo.MongoClient('{fleet.mongodb_uri}')['{fleet.database}'].numtest",
    }
    for usual, ours in places.items():
        command = command.replace(usual, ours)
    return command


def test_the_shell_tells_the_codes_and_the_output_of_each_command_apart(tmp_path):
    """A check of the way in which the pages are run: without it they might all pass."""
    stand_in = type("StandIn", (), {})()
    stand_in.tree, stand_in.environment = tmp_path, {}
    stand_in.topic = stand_in.group = stand_in.database = "a-name-that-is-nowhere"
    stand_in.lag_port = stand_in.watchdog_port = stand_in.metrics_port = 0
    stand_in.mongodb_uri = ""

    assert run(stand_in, ["X=1; echo one", "false", "echo $X; echo two >&2"]) == [
        (0, "one\n"),
        (1, ""),
        (0, "1\ntwo\n"),
    ]
    assert Path(sys.executable).parent == BIN
