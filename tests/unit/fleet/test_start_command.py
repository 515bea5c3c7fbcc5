"""What is said about how to start a fleet can be pasted, wherever one stands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workers.fleet.start_command import conf_of, how_to_start, installed, pasted, start_command


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Where this package was installed, as far as it is looked at; nothing of it is on PATH."""
    folder = tmp_path / "environment/bin"
    folder.mkdir(parents=True)
    for name in ("workers", "supervisord"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(folder / "workers")])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return folder


def tree(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_without_a_supervisord_conf_there_is_no_command(tmp_path):
    assert (start_command(tmp_path), conf_of(tmp_path)) == (None, None)
    assert how_to_start(tmp_path).startswith("there is no supervisord.conf either: `workers init` writes one")


def test_a_folder_of_init_is_started_by_its_own_conf(tmp_path, programs, monkeypatch):
    own = tree(tmp_path / "my own", "supervisord.conf")
    assert start_command(own) == f"{programs}/supervisord -c '{own}/supervisord.conf'"

    monkeypatch.setenv("PATH", f"{programs}:/usr/bin")
    monkeypatch.chdir(own)
    assert start_command(Path()) == "supervisord -c supervisord.conf"


def test_a_clone_is_started_by_deploy_and_where_a_demo_was_by_make(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    clone = tree(tmp_path / "clone", "deploy/supervisord.conf")
    monkeypatch.chdir(clone)
    monkeypatch.setattr(sys, "argv", [str(tree(clone, ".venv/bin/supervisord") / ".venv/bin/workers")])
    assert start_command(Path()) == ".venv/bin/supervisord -c deploy/supervisord.conf"

    (clone / "var/stack/data").mkdir(parents=True)
    assert start_command(Path()) == "make demo"
    monkeypatch.chdir(tmp_path)
    assert start_command(Path("clone")) == f"make -C {clone} demo"


def test_another_supervisord_on_path_is_not_taken_for_the_one_of_this_package(tmp_path, programs, monkeypatch):
    """The distribution's would run a Python without this package."""
    other = tree(tmp_path / "usr/bin", "supervisord")
    (other / "supervisord").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    assert pasted("supervisord") == f"{programs}/supervisord"

    # A link to this very one, as pipx makes it, can be typed.
    (other / "workers").symlink_to(programs / "workers")
    assert pasted("workers") == "workers"


def test_a_path_is_right_in_the_folder_in_which_it_is_typed(tmp_path, programs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pasted("supervisord") == "environment/bin/supervisord"
    assert pasted("supervisord", tmp_path / "own") == f"{programs}/supervisord"


def test_beside_the_current_folder_a_program_is_called_as_a_shell_wants_it(programs, monkeypatch):
    monkeypatch.chdir(programs)
    assert pasted("supervisord") == "./supervisord"


def test_without_any_the_name_is_better_than_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "workers")])
    assert installed("no-such-program") == Path("no-such-program")
