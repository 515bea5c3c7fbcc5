"""Ctrl-C at any moment of any command, on a terminal: no traceback, the exit code of an interrupt, and words.

The interpreter's own list of imports is the clock: a moment is so many modules after the first line of this package, and
means the same on a slow machine.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer

from workers.cli import main as cli
from workers.cli.ctrl_c import CtrlC

NOBODY = "127.0.0.1:1"
ARGUMENTS = {
    "peek": ["3/42"],
    "dead-letters show": ["x"],
    "dead-letters purge": ["--all"],
    "dead-letters replay": ["--all"],
}
IMPORT = re.compile(rb"import time:[^\n]*\n")
SECONDS = 60


def commands() -> list[str]:
    def walk(command: object, path: str) -> list[str]:
        if found := getattr(command, "commands", {}):
            return [each for name, sub in found.items() for each in walk(sub, f"{path} {name}".strip())]
        return [path]

    return [*walk(typer.main.get_command(cli.application()), ""), "--help", "nonsense"]


def interrupted(folder: Path, command: str, after: int, times: int = 1) -> tuple[int, bool, str]:
    """Exit code, whether the interrupt was sent before the end, and what the terminal shows beside the imports."""
    ours, theirs = pty.openpty()
    # Nobody is there, and a command that waits for somebody waits for long.
    settings = {
        "WORKERS_BOOTSTRAP_SERVERS": NOBODY,
        "WORKERS_MONGODB_URI": f"mongodb://{NOBODY}",
        "WORKERS_METRICS_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "workers", *command.split(), *ARGUMENTS.get(command, [])],
        cwd=folder,
        env={"PATH": os.defpath, "TERM": "xterm", "WORKERS_LAG_PORT": "0", **settings},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said, begun, sent = b"", None, 0
    deadline = threading.Timer(SECONDS, process.kill)
    deadline.start()
    try:
        with contextlib.suppress(OSError):
            while read := os.read(ours, 65_536):
                said += read
                if begun is None and b"workers.cli.entry" in said:
                    begun = said.count(b"import time:")
                if begun is not None and sent < times and said.count(b"import time:") > begun + after:
                    process.send_signal(signal.SIGINT)
                    sent += 1
        code = process.wait()
    finally:
        deadline.cancel()
        process.kill()
        process.wait()
        os.close(ours)
    return code, sent > 0, IMPORT.sub(b"", said.replace(b"\r\n", b"\n")).decode(errors="replace")


def check(folder: Path, command: str, after: int, times: int = 1) -> None:
    code, sent, said = interrupted(folder, command, after, times)
    assert not re.search("Traceback|KeyboardInterrupt|Exception ignored|Fatal", said), (command, after, said)
    assert said.rfind("\x1b[?25l") <= said.rfind("\x1b[?25h"), ("the cursor is gone", command, after, said)
    is_ending = code == -signal.SIGINT and said.strip() != ""
    if sent and code not in (0, 1, 2, 64, 69, 78) and not is_ending:
        # Else it was through with its work before the interrupt came, or Python itself was ending, which no handler outlives.
        assert (code, "interrupted" in said or "was purged" in said) == (130, True), (command, after, said)


@pytest.mark.parametrize(("command", "after"), [(command, 5 + 23 * n) for n, command in enumerate(commands())])
def test_each_command_is_interrupted_at_some_moment_of_its_imports(tmp_path, command, after):
    check(tmp_path, command, after)


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_each_command_is_interrupted_at_many_moments(tmp_path, command):
    for after in (0, 3, 60, 150, 220, 280, 340, 400, 460, 520, 600, 700):
        check(tmp_path, command, after)
    for after in (150, 340, 460):
        check(tmp_path, command, after, times=3)


def _wait_for_interrupt() -> None:
    threading.Event().wait(10)


@contextlib.contextmanager
def pythons_own_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_finalizer_swallows_is_raised_again():
    class Swallows:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.monotonic()

    def work() -> None:
        with CtrlC().raised():
            Swallows()
            _wait_for_interrupt()

    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        work()


def test_an_import_is_finished_first(tmp_path, monkeypatch):
    (tmp_path / "interrupted_import.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    imported = []

    def work() -> None:
        with CtrlC().raised():
            import interrupted_import

            imported.append(interrupted_import.whole)
            _wait_for_interrupt()

    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        work()
    assert imported == [True]


def test_what_a_shell_has_in_its_background_stays_deaf():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with CtrlC().raised():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
