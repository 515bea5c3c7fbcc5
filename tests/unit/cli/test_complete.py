"""What a shell completes: commands and options by typer, topics and slots by what lies in this folder; never a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from workers.cli.complete import complete_route, complete_slot, complete_topic


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var/run").mkdir(parents=True)
    for name in ("shop-worker_00.lock", "shop-worker_00.heartbeat", "shop-worker_02.lock", "shop.audit", "other"):
        (tmp_path / "var/run" / name).touch()
    (tmp_path / ".env").write_text("WORKERS_TOPIC=orders\nWORKERS_BOOTSTRAP_SERVERS=127.0.0.1:1\n")
    return tmp_path


def completed(*words: str) -> list[str]:
    """What bash is told, the last word being incomplete."""
    ran = subprocess.run(
        [sys.executable, "-m", "workers"],
        env={
            "PATH": os.defpath,
            "_WORKERS_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["workers", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


def test_commands_are_completed_in_the_order_of_the_help():
    assert completed("pe") == ["peek"]
    names = completed("")
    assert names.index("produce") < names.index("verify") < names.index("dead-letters") < names.index("watchdog")


def test_options_and_their_words_are_completed():
    assert "--follow" in completed("peek", "--f")
    assert completed("dead-letters", "list", "--reason", "not_") == [
        "not_utf8",
        "not_json",
        "not_an_object",
        "not_extended_json",
    ]


def test_a_topic_is_completed_from_the_settings():
    assert completed("peek", "or") == ["orders"]
    assert completed("peek", "x") == []


def test_topics_and_routes_are_completed_from_the_file_of_routes(folder):
    (folder / ".env").write_text("WORKERS_ROUTES=routes.toml\n")
    (folder / "routes.toml").write_text(
        '[[route]]\nname = "shop"\ntopics = ["orders", "lines"]\n[[route]]\nname = "logs"\ntopic_pattern = "log.+"\n'
    )
    assert completed("peek", "or") == ["orders"]
    assert completed("verify", "--route", "") == ["shop", "logs"]
    assert completed("dead-letters", "list", "--topic", "l") == ["lines"]
    assert complete_route("s") == ["shop"]
    (folder / "routes.toml").write_text("[[")
    assert complete_route("") == complete_topic("") == []


def test_slots_are_completed_from_the_files_of_this_folder():
    assert complete_slot("") == ["worker_00", "worker_02"]
    assert complete_slot("worker_02") == ["worker_02"]


def test_what_cannot_be_used_completes_nothing_and_says_nothing(folder):
    (folder / ".env").write_text("WORKERS_TOPIK=orders\n")

    assert (complete_topic(""), complete_slot("")) == ([], [])
    assert completed("peek", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell):
    ran = subprocess.run(
        [sys.executable, "-m", "workers"],
        env={"PATH": os.defpath, "_WORKERS_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_WORKERS_COMPLETE=complete_" + shell in ran.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_it(folder):
    """In the shell itself, with what `--show-completion` prints."""
    program = folder / "workers"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m workers "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_WORKERS_COMPLETE=source_bash workers)"\n'
        "COMP_WORDS=(workers peek or); COMP_CWORD=2\n_workers_completion workers\necho ${COMPREPLY[@]}"
    )
    ran = subprocess.run(
        ["bash", "-c", script], env={"PATH": f"{folder}:{os.defpath}"}, capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("orders\n", "")
