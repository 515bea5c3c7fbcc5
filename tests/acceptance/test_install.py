"""From pip to a fleet that runs and is verified, by what `workers init` itself says: on each Python, without a clone, not as
root."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import fresh_copy
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.newcomer import Newcomer, find_python, settings_script, write_script
from tests.support.ports import free_row
from tests.support.terminal import Terminal
from tests.support.user import User

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

NUMBERS = 1000
FIRST_MINUTES = 120
"""Seconds from an empty folder to the proof."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel, as `make build` makes them; the wheel from the sdist."""
    source, target = fresh_copy(tmp_path_factory.mktemp("source") / "clone"), tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source)]
    ran = subprocess.run(build, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return target


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    (found,) = packages.glob("*.whl")
    return found


@pytest.fixture
def user(stack: EmbeddedStack, tmp_path: Path) -> Iterator[User]:
    """Who has a topic with records in it, before any fleet."""
    made = User(stack, tmp_path)
    made.kafka.create(6)
    made.produce("--count", str(NUMBERS))
    yield made
    made.close()


def printed_commands(said: str) -> list[str]:
    """What `workers init` tells one to type."""
    lines = said.split("Next:\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    return [line.partition("  # ")[0].strip() for line in lines if not line.strip().startswith("#")]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_from_pip_to_a_verified_fleet_by_what_it_says_itself(
    version: str, wheel: Path, user: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    with Newcomer(python) as person:
        commands = person.install(wheel, tmp_path_factory.getbasetemp() / "pip-cache")
        begun = time.monotonic()
        init = person.run(str(commands / "workers"), "init", "my fleet")
        assert init.returncode == 0, init
        folder = person.home / "my fleet"
        first, edit, *rest = printed_commands(init.stdout)
        assert (first, edit) == ("cd 'my fleet'", "${EDITOR:-vi} .env")
        start, watch, verify = [each for each in rest if "doctor" not in each]

        ports = free_row(9)
        wanted = {name: value for name, value in user.environment.items() if name.startswith("WORKERS_")} | {
            "WORKERS_METRICS_PORT": str(ports),
            "WORKERS_LAG_PORT": str(ports + 6),
            "WORKERS_WATCHDOG_PORT": str(ports + 7),
            "WORKERS_AUDITOR_PORT": str(ports + 8),
        }
        editor = write_script(person.home / "editor", settings_script(wanted))
        edited = person.run("sh", "-c", edit, folder=folder, EDITOR=str(editor))
        assert edited.returncode == 0, edited
        for command in (each for each in rest if "doctor" in each):
            doctor = person.run("sh", "-c", command, folder=folder)
            assert doctor.returncode == 0, doctor

        fleet = person.start(start, folder)
        status = person.as_user(["sh", "-c", f"cd '{folder}' && exec {watch}"])
        with Terminal(status, person.environment, columns=80) as terminal:
            terminal.wait_for("4 workers read 6 partitions", 60)
            terminal.interrupt()
            terminal.wait(20)
        proof = person.run("sh", "-c", verify, folder=folder)
        took = time.monotonic() - begun
        assert (proof.returncode, "every record is accounted for" in proof.stdout) == (0, True), proof
        assert sorted(user.documents().values()) == list(range(NUMBERS))
        assert took < FIRST_MINUTES

        # Nobody on it is root, and none of it comes from the clone.
        running = [process for process in person.processes() if process.pid != fleet.pid]
        assert len(running) >= 6
        assert all(process.uids().real != 0 for process in running)
        assert all("python" in process.name() for process in running)
        assert not (folder / "deploy").exists()

        fleet.send_signal(signal.SIGINT)
        assert fleet.wait(60) == 0
        wait_until(lambda: not person.processes(), 20, "nothing is left of the fleet")
        again = person.run(str(commands / "workers"), "status", folder=folder)
        assert again.returncode == 2
        assert f"`{start}` starts one" in re.sub(r"\s+", " ", again.stdout)


def test_a_source_distribution_is_a_whole_clone(packages: Path, tmp_path: Path) -> None:
    """Whoever takes it, or a zip of the sources, has the same `supervisord -c deploy/supervisord.conf`."""
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    clone = fresh_copy(tmp_path / "clone")
    there = {path.relative_to(clone) for path in clone.rglob("*") if path.is_file()}
    held = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file()}

    assert there - held == set()
    assert held - there == {Path("PKG-INFO")}
    assert (tree / "deploy/python").stat().st_mode & 0o111
