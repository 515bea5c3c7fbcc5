"""Every option and argument of every command with every kind of wrong value: one line, 64 or 78, and no traceback."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
import typer

from tests.support.wire_mongo import WireMongo
from workers.cli import config as cli_config
from workers.cli import main as cli
from workers.errors import ExitCode

NUMBERS = ["nan", "inf", "-inf", "1e400", "1e300", "-1", "1" + "0" * 40, "0x10", "1.5", ""]
TEXTS = ["a\nb", "\udcff", "x" * 300, "/no/such/file", "/", "/dev/null/x", "../..", "[red]", "\u0663", "-"]
NASTY = NUMBERS + TEXTS
LONGEST_LINE = 780


def options() -> list[tuple[str, str]]:
    """Command and option, or argument, of all."""

    def walk(command: Any, path: str) -> list[tuple[str, str]]:
        if commands := getattr(command, "commands", {}):
            return [each for name, sub in commands.items() for each in walk(sub, f"{path} {name}".strip())]
        return [
            (path, each.opts[0] if each.param_type_name == "option" else "")
            for each in command.params
            if not getattr(each, "is_flag", False)
        ]

    return walk(typer.main.get_command(cli.application()), "")


class EmptyMongo(WireMongo):
    """Whatever is looked for, it is not there."""

    def _answer(self, command, documents):
        if next(iter(command)) in ("find", "aggregate"):
            return {"cursor": {"id": 0, "ns": "test.x", "firstBatch": []}, "ok": 1}
        return super()._answer(command, documents)


@pytest.fixture(scope="module")
def server():
    with EmptyMongo() as found:
        yield found


@pytest.mark.parametrize(("command", "option"), options())
def test_each_option_of_each_command_takes_a_value_or_refuses_it_in_one_line(
    monkeypatch, capsys, tmp_path, server, command, option
):
    monkeypatch.chdir(tmp_path)
    # A command with options that it takes goes on to its settings: those that would ask Kafka get one that is refused.
    monkeypatch.setenv("WORKERS_MONGODB_URI", server.uri)
    if not command.startswith("dead-letters"):
        monkeypatch.setenv("WORKERS_MAX_DEPTH", "0")
    started = time.monotonic()
    for value in NASTY:
        if (command, value) == ("init", "../.."):
            # It is a folder, and would be written to.
            continue
        more = ["--all"] if command in ("dead-letters replay", "dead-letters purge") and option else []
        monkeypatch.setattr(
            sys, "argv", ["workers", *command.split(), *more, *([option, value] if option else ["--", value])]
        )

        with pytest.raises(SystemExit) as ended:
            cli.main()

        told = capsys.readouterr()
        if command == "doctor" and ended.value.code == ExitCode.FAILED:
            # What is wrong with the settings is what it is asked for.
            assert told.out.startswith("settings\n")
            assert told.err == ""
            continue
        assert ended.value.code in (0, ExitCode.USAGE, ExitCode.CONFIGURATION), (value, told)
        if ended.value.code:
            lines = told.err.splitlines()
            # The topic is a setting too, and is told beside the one that is wrong on purpose.
            assert len(lines) == 1 or (option == "--topic" and len(lines) == 2), (value, told)
            assert [line for line in lines if len(line) > LONGEST_LINE or not line.startswith("workers")] == [], value
    assert time.monotonic() - started < 10, "it is fast"


@pytest.mark.parametrize(
    "arguments",
    [
        ["produce", "--interval", "nan"],
        ["produce", "--partitions", "3000000000"],
        ["verify", "--wait", "nan"],
        ["verify", "--since", "inf"],
        ["verify", "--since", "1e300"],
        ["restart", "--timeout", "nan"],
        ["chaos", "--seconds", "inf"],
    ],
    ids=" ".join,
)
def test_a_number_that_no_command_can_use_is_a_mistake_of_the_command_line(monkeypatch, capsys, tmp_path, arguments):
    """Not a bug that shows later: nothing is smaller or larger than nan."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKERS_MAX_DEPTH", "0")
    monkeypatch.setattr(sys, "argv", ["workers", *arguments])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == ExitCode.USAGE
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/no/such/file", "/", "/dev/null/x", "x" * 300, "a\nb"])
def test_a_file_that_cannot_be_sent_is_named(monkeypatch, capsys, tmp_path, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["workers", "produce", "--from", path])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("workers: cannot read ")


def test_an_error_of_the_filesystem_that_nobody_foresaw_is_one_line(monkeypatch, capsys, tmp_path):
    """Not "a bug", with a traceback."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/var/x\ny")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_config, "screen", fails)
    monkeypatch.setattr(sys, "argv", ["workers", "config"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == ExitCode.UNAVAILABLE
    assert capsys.readouterr().err == ("workers: '/var/x\\ny': No space left on device; mend that, and run it again\n")
