"""`workers init` as a person meets it: what it says, what it writes, how it ends."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.cli import main as cli
from workers.errors import ExitCode


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """With a short path, as supervisord's socket needs it."""
    with tempfile.TemporaryDirectory(prefix="init-") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def workers(monkeypatch, capsys, tmp_path):
    """Run a command line in this process, in an empty folder; returns exit code, output, complaints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [sys.prefix + "/bin/workers", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_it_writes_a_folder_and_says_what_comes_next(workers, tmp_path):
    code, out, err = workers("init", "my fleet")

    assert (code, err) == (ExitCode.OK, "")
    assert "written: README.md, .env, .gitignore, supervisord.conf, python, local.d/ (2)" in out
    commands = [line.strip() for line in out.split("Next:\n")[1].splitlines()]
    assert commands[0] == "cd 'my fleet'"
    assert f"{sys.prefix}/bin/supervisord -c supervisord.conf" in commands
    assert f"{sys.prefix}/bin/workers verify --wait 60" in commands
    assert (tmp_path / "my fleet/var/log").is_dir()
    assert '"job": "watchdog"' in (tmp_path / "my fleet/var/run/targets.json").read_text()


def test_names_are_enough_where_the_shell_finds_them(workers, monkeypatch):
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin")
    _, out, _ = workers("init")

    assert re.search(r"^  supervisord -c supervisord.conf +# the fleet", out, re.MULTILINE)
    assert "\n  cd " not in out
    assert max(map(len, out.split("Next:")[1].splitlines())) <= 80


def test_a_platform_is_remembered(workers, tmp_path):
    workers("init", "--for", "systemd")
    (tmp_path / "systemd/kafka-mongo-workers.service").unlink()
    code, out, _ = workers("init", "--for", "kubernetes")

    assert code == ExitCode.OK
    assert "systemd/ (1), kubernetes/ (3)" in out
    assert "commands at the top of systemd/" in out
    assert "kubectl apply" in out


def test_the_difference_is_shown_and_nothing_written(workers, tmp_path):
    workers("init")
    assert workers("init", "--diff") == (ExitCode.OK, "", "")
    record = json.loads((tmp_path / ".workers-init.json").read_text())
    record["files"]["supervisord.conf"] = "; of another version\n"
    (tmp_path / ".workers-init.json").write_text(json.dumps(record))
    (tmp_path / "supervisord.conf").write_text("; mine\n")
    code, out, _ = workers("init", "--diff")

    assert code == ExitCode.FAILED
    assert out.startswith("--- supervisord.conf\n+++ supervisord.conf.new\n@@ ")
    assert "\n-; mine\n" in out
    assert not (tmp_path / "supervisord.conf.new").exists()

    code, out, _ = workers("init", "--upgrade")
    assert code == ExitCode.OK
    assert "supervisord.conf: yours, and left as it is; this version's is supervisord.conf.new" in out
    assert (tmp_path / "supervisord.conf").read_text() == "; mine\n"
    assert "Next, if the fleet runs:\n" in out
    assert "/bin/workers restart" in out


def test_what_was_changed_is_told_file_by_file(workers, tmp_path):
    workers("init")
    (tmp_path / "supervisord.conf").write_text("; mine\n")
    (tmp_path / ".env").write_text("WORKERS_TOPIC=orders\n")
    report = json.loads(workers("init", "--json")[1])

    assert report["files"]["supervisord.conf"] == report["files"][".env"] == "yours"
    assert {kind for path, kind in report["files"].items() if path not in ("supervisord.conf", ".env")} == {"current"}
    assert (report["folder"], report["before"]) == (str(tmp_path), report["version"])


def test_prometheus_is_told_of_another_number_of_workers(workers, tmp_path):
    workers("init")
    (tmp_path / "local.d/two.conf").write_text("[program:worker]\nnumprocs=2\n")
    (tmp_path / ".env").write_text("WORKERS_METRICS_PORT=7000\n")
    code, out, _ = workers("init", "--targets")

    assert (code, "127.0.0.1:7001" in out, "127.0.0.1:7002" in out) == (ExitCode.OK, True, False)
    assert "127.0.0.1:7001" in (tmp_path / "var/run/targets.json").read_text()


def test_a_setting_that_is_wrong_does_not_keep_the_folder_from_being_written(workers, tmp_path):
    (tmp_path / ".env").write_text("WORKERS_TOPC=orders\n")
    code, out, err = workers("init")

    assert (code, (tmp_path / "supervisord.conf").is_file()) == (ExitCode.OK, True)
    assert "WORKERS_TOPC is not a setting; did you mean WORKERS_TOPIC?" in err
    assert ".env: yours, and left as it is; this version's is .env.new" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--diff", "--upgrade"], ExitCode.USAGE, "give one of them"),
        (["--upgrade"], ExitCode.USAGE, "was not made by `workers init`"),
        (["--targets"], ExitCode.USAGE, "has no supervisord.conf; `workers init` writes one"),
        (["--for", "windows"], ExitCode.USAGE, "windows"),
        (["a%b"], ExitCode.USAGE, "choose another"),
        (["file/own"], ExitCode.USAGE, "is in no folder that is there"),
        (["none/own"], ExitCode.USAGE, "is in no folder that is there"),
        (["file"], ExitCode.USAGE, "is no folder for a fleet"),
        (["/"], ExitCode.USAGE, "is no folder for a fleet"),
        (["a\nb"], ExitCode.USAGE, "choose another"),
        (["\udcff"], ExitCode.USAGE, "choose another"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(workers, tmp_path, arguments, code, said):
    (tmp_path / "file").touch()
    ended, _, err = workers("init", *arguments)

    assert (ended, said in err, err.count("\n")) == (code, True, 1), err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_clone_is_left_alone(workers, tmp_path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/supervisord.conf").touch()
    ended, _, err = workers("init")

    assert (ended, "a clone, which has all of this" in err) == (ExitCode.USAGE, True)
    assert [path.name for path in tmp_path.iterdir()] == ["deploy"]
