"""The command line as a user meets it: exit codes, one clear line for a mistake, no traceback, JSON that is JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
import typer

from tests.support.ports import free_ports
from workers.cli import main as cli
from workers.cli import produce as cli_produce
from workers.errors import ExitCode

COMMANDS = ("run", "produce", "verify", "config", "lag")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def command_lines(app: typer.Typer, before: str = "") -> list[str]:
    own = [before + (each.name or each.callback.__name__) for each in app.registered_commands if each.callback]
    groups = [(each.typer_instance, each.name) for each in app.registered_groups if each.typer_instance]
    return own + [line for group, name in groups for line in command_lines(group, f"{before}{name} ")]


@pytest.mark.parametrize("command", command_lines(cli.application()))
def test_the_help_of_every_command_has_an_example(workers, command):
    code, out, _ = workers(*command.split(), "--help")

    assert code == ExitCode.OK
    assert "Example: " in out
    assert "workers " + command in out


def test_the_help_names_every_command(workers):
    code, out, _ = workers("--help")

    assert code == ExitCode.OK
    assert [command for command in COMMANDS if f" {command} " not in out] == []
    assert set(command_lines(cli.application())) >= set(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "nonsense"),
        (["produce", "--count", "-1"], "--count"),
        (["produce", "--count", "many"], "--count"),
        (["produce", "--interval", "-0.1"], "--interval"),
        (["produce", "--partitions", "0"], "--partitions"),
        (["produce", "--start", str(2**63)], "--start"),
        (["produce", "--nonsense"], "--nonsense"),
        (["produce", "extra"], "extra"),
        (["verify", "--wait", "-1"], "--wait"),
        (["config", "--jsno"], "--jsno"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_64(workers, arguments, said):
    code, out, err = workers(*arguments)

    assert code == ExitCode.USAGE == 64
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert err.startswith("workers: ")
    command = "" if arguments[0] == "nonsense" else f" {arguments[0]}"
    assert f"ee `workers{command} --help`" in err, "the help of this very command"


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_settings_are_all_told_and_78(workers, monkeypatch, command):
    monkeypatch.setenv("WORKERS_TOPIK", "x")
    monkeypatch.setenv("WORKERS_SLOT", "minus one")
    monkeypatch.setenv("WORKERS_MONGODB_URI", "mongodb://u:canary@host:port")

    code, out, err = workers(command)

    assert code == ExitCode.CONFIGURATION == 78
    assert out == ""
    assert [name for name in ("WORKERS_TOPIK", "WORKERS_SLOT", "WORKERS_MONGODB_URI") if name not in err] == []
    assert "canary" not in err


@pytest.mark.parametrize("topic", ["two words", "..", "a/b", "x" * 250])
def test_a_topic_name_that_kafka_refuses_is_refused_before_anything_is_asked(workers, topic):
    code, _, err = workers("produce", "--topic", topic)

    assert code == ExitCode.CONFIGURATION
    assert "WORKERS_TOPIC" in err


def test_config_shows_every_setting_without_its_secrets(workers, monkeypatch):
    monkeypatch.setenv("WORKERS_MONGODB_URI", "mongodb://user:canary@db.example/?appname=canary")
    monkeypatch.setenv("WORKERS_TOPIC", "orders")

    code, out, _ = workers("config", "--json")
    _, table, _ = workers("config")

    assert code == ExitCode.OK
    shown = json.loads(out)
    assert shown["WORKERS_TOPIC"] == "orders"
    assert shown["WORKERS_MONGODB_URI"] == "mongodb://***@db.example/?***"
    assert [name for name in shown if name not in table] == []
    assert "canary" not in out + table


def test_config_marks_the_policies_that_are_in_force_as_exact_or_lossy(workers, monkeypatch):
    monkeypatch.setenv("WORKERS_NAN", "null")
    monkeypatch.setenv("WORKERS_FIELD_NAMES", "escape")

    _, table, _ = workers("config")
    _, out, _ = workers("config", "--json")

    rows = {line.split()[0]: line for line in table.splitlines() if line.startswith("WORKERS_")}
    assert (
        "  lossy, the document does not tell that it was one of these, and which; what becomes" in rows["WORKERS_NAN"]
    )
    assert "  exact, percent-encoded: a dot as %2E" in rows["WORKERS_FIELD_NAMES"]
    assert [name for name, row in rows.items() if "lossy, " in row or "exact, " in row] == [
        "WORKERS_FIELD_NAMES",
        "WORKERS_NAN",
    ]
    assert "one of reject, double, null" in rows["WORKERS_NAN"]
    assert json.loads(out)["lossy"] == {"nan": "that it was one of these, and which"}


def test_config_says_where_each_value_came_from(workers, tmp_path, monkeypatch):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/uri").write_text("mongodb://db.example\n")
    (tmp_path / "tree/.env").write_text("WORKERS_GROUP=shop\nWORKERS_MONGODB_URI_FILE=uri\n")
    monkeypatch.setenv("WORKERS_TOPIC", "orders")

    _, out, _ = workers("config", "--json", "--tree", "tree")
    _, table, _ = workers("config", "--tree", "tree")

    sources = json.loads(out)["from"]
    named = {"WORKERS_TOPIC": "environment", "WORKERS_GROUP": "tree/.env", "WORKERS_MONGODB_URI": "tree/uri"}
    assert {name: source for name, source in sources.items() if source != "default"} == named
    rows = {line.split()[0]: line for line in table.splitlines() if line.startswith("WORKERS_")}
    assert [name for name, source in named.items() if f" {source} " not in rows[name]] == []
    assert " default " in rows["WORKERS_DATABASE"]


@pytest.mark.parametrize(
    "command", [["status", "--tree", "tree"], ["restart", "--tree", "tree"], ["chaos", "--tree", "tree"]]
)
def test_an_env_file_that_cannot_be_read_is_one_line_and_78(workers, tmp_path, command):
    (tmp_path / "tree/.env").mkdir(parents=True)

    code, out, err = workers(*command)

    assert (code, out) == (ExitCode.CONFIGURATION, "")
    assert err == (
        "workers: tree/.env cannot be read: Is a directory; make it a text file that this user may read, or remove it\n"
    )


def test_the_version_is_told(workers):
    code, out, _ = workers("--version")

    assert code == ExitCode.OK
    assert out.startswith("kafka-mongo-workers ")


def test_without_a_command_the_help_is_shown(workers):
    code, out, err = workers()

    assert code in {ExitCode.OK, ExitCode.USAGE}
    assert "produce" in out + err


def test_nobody_there_is_a_clear_line_within_a_bounded_time():
    """As processes: `produce` gives up with 69, `verify` says 2 and that it verified nothing."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    environment = {"WORKERS_BOOTSTRAP_SERVERS": address, "PATH": "", "COLUMNS": "200"}
    asked = {
        command: subprocess.Popen(
            [sys.executable, "-m", "workers", command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in ("produce", "verify")
    }

    ended = {command: (process.communicate(timeout=60), process.returncode) for command, process in asked.items()}

    for (out, err), _ in ended.values():
        assert out == ""
        assert "Traceback" not in err
        assert f"no Kafka broker answered at {address}" in err
    assert ended["produce"][1] == ExitCode.UNAVAILABLE == 69
    assert ended["verify"][1] == ExitCode.UNCHECKED == 2
    assert "nothing was verified" in ended["verify"][0][1]


def test_lines_come_as_they_are_from_a_file_or_from_standard_input(tmp_path, monkeypatch):
    """The end of a line is no part of it, whatever system wrote it; everything else is."""
    raw = b'{"n": 1}\r\n\n  spaces \n\xff\xfe\nno end'
    expected = [b'{"n": 1}', b"", b"  spaces ", b"\xff\xfe", b"no end"]
    (tmp_path / "lines").write_bytes(raw)

    class Stdin:
        buffer = io.BytesIO(raw)

    monkeypatch.setattr(sys, "stdin", Stdin)

    for source in (str(tmp_path / "lines"), "-"):
        with cli_produce.opened(source) as lines:
            assert list(cli_produce.values(lines)) == expected
