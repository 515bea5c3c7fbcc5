"""What `workers doctor` sees of a real machine and of real files, without making or binding anything."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.examined import fleet
from tests.support.ports import free_row
from workers.doctor.fleet_answers import ask_fleet
from workers.doctor.host import Host, ask_host, is_own_address
from workers.fleet.supervisor import NOT_RUNNING, Process
from workers.settings import load_all

REPOSITORY = Path(__file__).resolve().parents[3]
NOBODY = 65_534


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("stack", "__py*", "*.d"))
    for name in ("var/run", "var/log"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def looked(tree: Path, answers: Any = None, **settings: Any) -> Host:
    return ask_host(load_all(tree, **settings), answers or fleet())


@contextmanager
def somebody_else() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_port_is_free_or_had_by_the_fleet_or_by_another(tree: Path) -> None:
    first = free_row(7)
    ports = {"metrics_port": first, "lag_port": first + 4, "watchdog_port": first + 5, "auditor_port": first + 6}
    with socket.create_server(("127.0.0.1", first + 1)):
        another = {each.number: each for each in looked(tree, **ports).ports}
        own = fleet(processes=(Process("worker_01", "worker", "RUNNING", os.getpid()),))
        ours = {each.number: each for each in looked(tree, own, **ports).ports}

    assert [number for number, each in another.items() if each.in_use] == [first + 1]
    assert (another[first + 1].process, another[first + 1].is_ours) == ("worker_01", False)
    assert f"pid {os.getpid()} (" in another[first + 1].holder
    assert another[first + 5].setting == "WORKERS_WATCHDOG_PORT"
    assert ours[first + 1].is_ours


def test_folders_of_the_fleet_are_there_and_writable(tree: Path) -> None:
    found = looked(tree)

    assert [(each.path, each.problem, each.foreign_files) for each in found.folders] == [
        (tree / "var/run", "", ()),
        (tree / "var/log", "", ()),
    ]
    assert all(each.free > 0 and each.file_system for each in found.folders)


def test_a_folder_that_is_none_or_whose_parent_is_missing(tree: Path) -> None:
    (tree / "file").write_text("")
    found = {each.what: each for each in looked(tree, state_dir=tree / "file").folders}
    missing = {each.what: each for each in looked(tree, state_dir=tree / "no/such").folders}

    assert found["state"].problem == "it is not a folder"
    assert missing["state"].problem == f"{tree / 'no'} does not exist"
    assert not (tree / "no").exists()


def test_a_folder_and_files_of_another_user() -> None:
    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        locked, shared = tree / "locked", tree / "shared"
        for each, mode in ((tree, 0o755), (locked, 0o755), (shared, 0o777)):
            each.mkdir(exist_ok=True)
            each.chmod(mode)
        (shared / "counters-worker_00.lock").write_text("")
        with somebody_else():
            closed = {each.what: each for each in looked(tree, state_dir=locked).folders}["state"]
            mixed = {each.what: each for each in looked(tree, state_dir=shared).folders}["state"]

    assert closed.problem == "it belongs to root, mode 755"
    assert (mixed.problem, mixed.foreign_files) == ("", ("counters-worker_00.lock",))


def test_the_machine_itself() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address("203.0.113.77")
    assert not is_own_address("no.such.name.invalid")


def test_limits_memory_clock_and_packages_are_known(tree: Path) -> None:
    found = looked(tree)

    assert found.descriptors == -1 or found.descriptors > 16
    assert (found.memory or 0) > 128 << 20
    assert found.is_synchronized in (True, False, None)
    assert found.missing == ()
    assert found.versions["kafka-python"] == "3.0.12"


def test_what_supervisord_would_run_is_read_from_its_configuration(tree: Path) -> None:
    (tree / "deploy/local.d").mkdir()
    (tree / "deploy/local.d/two.conf").write_text("[program:worker]\nnumprocs=2\n")

    found = ask_fleet(load_all(tree))

    assert found.plan is not None
    assert (found.plan.problem, found.pid, found.why) == ("", None, NOT_RUNNING)
    assert found.workers == ["worker_00", "worker_01"]
    assert {each.stop_seconds for each in found.plan.processes if each.command == "run"} == {45.0}
    assert found.plan.descriptors == 1024


def test_a_configuration_with_which_supervisord_would_not_start_says_why(tree: Path) -> None:
    shutil.rmtree(tree / "var/log")
    assert "does not exist" in (ask_fleet(load_all(tree)).plan or pytest.fail("no plan")).problem

    (tree / "deploy/supervisord.conf").unlink()
    assert ask_fleet(load_all(tree)).plan is None
