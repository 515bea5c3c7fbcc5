"""The forms of a terminal: with and without colours, without a cursor, 60 columns, without UTF-8, and no terminal at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d(?:;\d+)*m")
CURSOR = re.compile(r"\x1b\[(?:\?25[lh]|\d*[A-K]|2K)")
SAY = """
from workers.cli.terminal import console
out = console()
out.print("[red]bad[/] [bold]good[/] \u2026 \u2192 Z\u00fcrich")
from workers.cli import render
with render.counting(out, "produced", 3) as counted:
    assert len(list(counted([b"", b"", b""]))) == 3
"""
PREPARED = "from workers.cli import streams\nstreams.prepare()\n" + SAY


def shown(code: str | list[str], folder: Path, columns: int = 80, *, tty: bool = True, **environment: str) -> str:
    """What is written, by Python code or by a command line of `workers`, on a terminal or into a pipe."""
    arguments = ["-c", code] if isinstance(code, str) else ["-m", "workers", *code]
    env = {"PATH": os.defpath, "TERM": "xterm", "LC_ALL": "C.UTF-8"} | environment
    if not tty:
        ran = subprocess.run([sys.executable, *arguments], env=env, cwd=folder, capture_output=True, check=True)
        assert ran.stderr == b""
        return ran.stdout.decode()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, *arguments], env=env, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):
        while read := os.read(ours, 65_536):
            said += read
    os.close(ours)
    assert process.wait(30) == 0, said
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("environment", "tty", "colours", "moves"),
    [
        ({}, True, True, True),
        ({"NO_COLOR": "1"}, True, False, True),
        ({"NO_COLOR": ""}, True, True, True),
        ({"TERM": "dumb"}, True, False, False),
        ({}, False, False, False),
        ({"FORCE_COLOR": "1"}, False, True, False),
        ({"FORCE_COLOR": "1"}, True, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False, False),
    ],
)
def test_colours_are_for_who_wants_them_and_the_cursor_moves_only_on_a_terminal(
    tmp_path, environment, tty, colours, moves
):
    text = shown(SAY, tmp_path, tty=tty, **environment)

    assert (bool(COLOUR.search(text)), bool(CURSOR.search(text))) == (colours, moves), text
    assert ("produced 3 (" in text) == (not moves), "a line in place of the bar"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_does_not_have_is_written_in_another_way(tmp_path, encoding):
    text = shown(PREPARED, tmp_path, tty=False, PYTHONIOENCODING=encoding) if encoding == "ascii" else None

    assert text is None or text.startswith("bad good ~ > Z\\xfcrich\n")
    assert "Traceback" not in shown(PREPARED, tmp_path, PYTHONIOENCODING="ascii")


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (["config"], {"LC_ALL": "C"}),
        (["--help"], {"LC_ALL": "POSIX"}),
        (["config"], {"PYTHONIOENCODING": "ascii"}),
        (["status"], {"PYTHONIOENCODING": "ascii"}),
    ],
)
def test_a_command_does_without_utf8(tmp_path, command, environment):
    code = f"import sys; sys.argv = ['workers', *{command!r}]\nfrom workers.cli.entry import main\ntry: main()\nexcept SystemExit: pass"
    text = shown(
        code,
        tmp_path,
        **environment,
        WORKERS_BOOTSTRAP_SERVERS="127.0.0.1:1",
        WORKERS_MONGODB_URI="mongodb://127.0.0.1:1",
    )

    assert "Traceback" not in text


@pytest.mark.parametrize("columns", [60, 80])
def test_config_fits(tmp_path, columns):
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(["config"], tmp_path, columns, WORKERS_TOPIC="orders"))

    lines = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= columns
    assert [line for line in lines if line != line.rstrip()] == []
    (topic,) = [line for line in lines if line.startswith("WORKERS_TOPIC ")]
    assert topic.split() == ["WORKERS_TOPIC", "orders", "environment"]


def test_config_in_a_pipe_is_a_line_for_each_setting(tmp_path):
    (tmp_path / ".env").write_text("WORKERS_GROUP=shop\n")
    lines = shown(["config"], tmp_path, tty=False, WORKERS_TOPIC="orders").splitlines()

    assert lines[:2] == [f"folder  {tmp_path}", "set     1 from .env, 1 from the environment"]
    settings = {line.split()[0]: line for line in lines[3:]}
    assert all(name.startswith("WORKERS_") for name in settings)
    assert re.fullmatch(r"WORKERS_GROUP +shop +\.env +the consumer group of the fleet", settings["WORKERS_GROUP"])
    assert settings["WORKERS_SECURITY_PROTOCOL"].endswith("; one of PLAINTEXT, SSL, SASL_SSL, SASL_PLAINTEXT")
    assert settings["WORKERS_LOG_LEVEL"].endswith("; one of debug, info, warning, error")
    assert settings["WORKERS_METRICS_OPTIONAL"].endswith("; true or false")
    assert settings["WORKERS_MAX_DEPTH"].endswith("; 1 to 90")


def test_json_is_json_whoever_wants_colours(tmp_path):
    for environment in ({}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}):
        assert json.loads(shown(["config", "--json"], tmp_path, tty=False, **environment))["WORKERS_TOPIC"] == "numtest"


def test_config_says_that_there_is_no_env_file(tmp_path):
    lines = shown(["config"], tmp_path, tty=False).splitlines()

    assert lines[:2] == [f"folder  {tmp_path}, which has no .env", "set     nothing: every setting has its default"]
