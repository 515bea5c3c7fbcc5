"""The stack as a package, without its servers: what it ties to whom, which tree is its own, and who carries it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest

from embedded_stack.failure import ExitCode, Failure
from embedded_stack.processes import Record, tied
from embedded_stack.settings import Settings
from tests.support.checkout import fresh_copy
from tests.support.embedded import REPOSITORY, wait_until

PAUSE = "import signal; signal.pause()"
STARTS_ONE = f"""
import subprocess, sys
from embedded_stack.processes import tied
child = subprocess.Popen(tied(sys.executable, "-c", {PAUSE!r}))
print(child.pid, flush=True)
child.wait()
"""


def test_a_tied_process_ends_when_the_one_that_started_it_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTS_ONE], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    try:
        parent.kill()
        parent.wait()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 20, "it has ended too")
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
        parent.stdout.close()


def test_a_process_that_is_tied_to_one_that_is_gone_does_not_begin() -> None:
    command = tied(sys.executable, "-c", "print('it began')")
    command[command.index(str(os.getpid()))] = "1"
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "the process 1 that started this one is gone" in ran.stderr


def test_a_tied_program_is_the_child_itself() -> None:
    """A signal to the child's pid reaches the program."""
    child = subprocess.Popen(tied(sys.executable, "-c", "import os; print(os.getpid())"), stdout=subprocess.PIPE)
    said, _ = child.communicate(timeout=60)
    assert (int(said), child.returncode) == (child.pid, 0)


def test_a_record_is_of_one_process_and_not_of_its_number(tmp_path: Path) -> None:
    Record.write(tmp_path / "kafka.json", "127.0.0.1:9092")
    found = Record.read(tmp_path / "kafka.json")
    assert found is not None
    assert found.process == psutil.Process()
    assert Record(found.pid, found.started - 5, found.address).process is None
    (tmp_path / "kafka.json").write_text('{"pid": 1}')
    assert Record.read(tmp_path / "kafka.json") is None


def test_every_mistake_in_the_settings_is_told_at_once() -> None:
    with pytest.raises(Failure) as told:
        Settings.read({"STACK_KAFKA_PORT": "x", "STACK_KAFKA_HEAP": "much", "STACK_JVM": "1"})
    assert told.value.code == ExitCode.CONFIG
    for words in ("STACK_KAFKA_PORT=x", "STACK_KAFKA_HEAP=much", "STACK_JVM is not a setting"):
        assert words in str(told.value)


def test_a_copy_of_deploy_is_another_stack_without_an_installation(tmp_path: Path) -> None:
    """A program beside the package finds that package, from any folder, whatever is installed."""
    tree = fresh_copy(tmp_path / "clone")
    program = "from embedded_stack.settings import Settings; print(Settings.read().tree)"
    (tree / "deploy/stack/asked.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, tree / "deploy/stack/asked.py"], cwd="/", capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str(tree)


def test_an_interrupted_command_says_how_to_go_on() -> None:
    program = "import os, signal\nfrom embedded_stack import artifacts, cli\n"
    program += "artifacts.build = lambda *_: os.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(cli.main(['build']))"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    signal.signal(signal.SIGINT, before)
    assert (ran.returncode, ran.stderr) == (130, "stack: interrupted; the same command goes on from here\n")


def test_the_wheel_of_the_workers_does_not_carry_it_and_carries_all_that_a_folder_gets(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        tops = {name.split("/")[0] for name in files.namelist()}
        files.extractall(tmp_path / "installed")
    assert {top for top in tops if not top.endswith(".dist-info")} == {"workers"}

    program = "from pathlib import Path; from workers.scaffold import Platform; from workers.scaffold.contents import contents; import json\n"
    program += "print(json.dumps({f.path: f.content.decode() for f in contents(Path('/srv/own'), list(Platform))}))"
    folders = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", program],
                env={"PYTHONPATH": str(place)},
                cwd="/",
                capture_output=True,
                check=True,
            ).stdout
        )
        for place in (tmp_path / "installed", REPOSITORY)
    ]
    assert folders[0] == folders[1]
    assert len(folders[0]) > 30

    program = "from workers.web.documents import Documents; print(Documents().page('/docs/how-to/upgrade').decode())"
    shown = [sys.executable, "-c", program]
    found = subprocess.run(
        shown, env={"PYTHONPATH": str(tmp_path / "installed")}, cwd="/", capture_output=True, check=True
    )
    assert b"<title>Upgrade to a new version</title>" in found.stdout
    carried = {
        path.suffix for path in (tmp_path / "installed/workers/scaffold/originals/docs").rglob("*") if path.is_file()
    }
    assert carried == {".md"}, "no pictures, no programs"
