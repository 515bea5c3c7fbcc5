"""The report of `workers doctor` in a terminal: any width, with and without colours and UTF-8, and commands to paste."""

from __future__ import annotations

import io
import re
import shlex

import pytest
from rich.console import Console

from tests.support.examined import answers
from workers.cli import render_doctor
from workers.cli.paste import wrap
from workers.doctor import examination
from workers.doctor.answers import DoctorAnswers
from workers.findings import Finding, Severity
from workers.kafka.topics import create_command

COMMAND = create_command("orders", "kafka-1.example:9092", "SASL_SSL")


def report(given: DoctorAnswers | None = None, *more: Finding) -> examination.Report:
    sections = tuple(examination._sections(given or answers(topic=None, settings={"topic": "orders"})))
    return examination.Report((*sections, *([examination.Section("more", more)] if more else [])), 1.5)


def drawn(width: int, encoding: str = "utf-8", found: examination.Report | None = None, *, color: bool = False) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    console = Console(file=file, width=width, force_terminal=color, highlight=False, soft_wrap=True)
    render_doctor.report(console, found or report())
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_line_fits(width, encoding):
    lines = drawn(width, encoding).splitlines()

    longest = max(lines, key=len)
    # A word that is longer than the terminal stays whole.
    assert len(longest) <= width or len(longest.split()) <= 2, longest
    assert max(map(len, lines)) <= 110


def test_each_finding_has_its_mark_and_below_it_its_fix():
    lines = drawn(100).splitlines()

    at = lines.index("  ✗ there is no topic orders yet")
    assert lines[at + 1].startswith("    → make it: `kafka-topics.sh --bootstrap-server localhost:9092")
    assert lines[lines.index("topic") - 1].startswith("  ✓ ")
    assert lines[-1].startswith("1 thing is wrong")


def test_without_utf8_the_marks_are_ascii_and_other_characters_are_escaped():
    text = drawn(100, "ascii", report(answers(), Finding("a.b", Severity.WARNING, "gr\u00fc\u00dfe", "mend it")))

    assert "  ok localhost:9092 answers" in text
    assert "  !  gr\\xfc\\xdfe" in text
    assert "-> mend it" in text


def test_colours_only_where_the_terminal_has_them(monkeypatch):
    assert "\x1b[" not in drawn(80)
    assert "\x1b[1;31m" in drawn(80, color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", drawn(80, color=True))


def test_nothing_of_a_server_moves_the_cursor():
    text = drawn(80, found=report(answers(), Finding("a.b", Severity.OK, "a\x1b[2J\u202eb\r")))

    assert "a\\x1b[2J\\u202eb\\r" in text


@pytest.mark.parametrize("width", range(20, 130, 7))
def test_a_command_that_is_wrapped_can_be_pasted(width):
    lines = list(wrap(f"make it: `{COMMAND}`; or else", width))

    text = "\n".join(lines)
    command = text.partition("`")[2].partition("`")[0]
    assert shlex.split(command.replace("\\\n", " ")) == shlex.split(COMMAND)
    assert all(line.endswith(" \\") for line in command.splitlines()[:-1])
    assert "\\" not in text.partition("`")[0] + text.rpartition("`")[2]


@pytest.mark.parametrize(
    ("marks", "last"),
    [
        (["ok"], "all is well: 1 finding, in 1.5 s"),
        (["ok", "warning", "warning"], "nothing is wrong; 2 warnings, in 1.5 s"),
        (["unknown"], "nothing wrong was seen; 1 not known, in 1.5 s"),
        (["wrong", "wrong", "warning", "unknown"], "2 things are wrong, 1 warning, 1 not known, in 1.5 s"),
    ],
)
def test_the_last_line_is_the_result(marks, last):
    findings = tuple(Finding("a.b", Severity(mark), "text", "fix") for mark in marks)
    text = drawn(80, found=examination.Report((examination.Section("one", findings),), 1.5))

    assert text.splitlines()[-1] == last
