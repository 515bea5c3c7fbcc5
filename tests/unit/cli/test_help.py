"""What `--help` shows: whole sentences in 80 columns, in the order of a first day, and no number that nobody needs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.unit.cli.test_main import command_lines
from workers.cli import main as cli
from workers.cli.help import SECTIONS, first_sentence, range_in_words, readable

ORDER = [name for names in SECTIONS.values() for name in names]


def shown(monkeypatch, capsys, *arguments: str, columns: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "argv", ["workers", *arguments, "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    return capsys.readouterr().out


def test_the_commands_stand_in_the_order_of_a_first_day_with_whole_sentences(monkeypatch, capsys):
    text = shown(monkeypatch, capsys)
    named = re.findall(r"^  ([a-z-]+) {2,}\S", text, re.MULTILINE)
    names = [name for name in named if name in command_lines(cli.application()) or name == "dead-letters"]

    assert names == [name for name in ORDER if name in names]
    assert [heading for heading in SECTIONS if f"\n{heading}:\n" in text] == list(SECTIONS)
    described = " ".join(text.split())
    for command in cli.application().registered_commands:
        assert first_sentence(command.callback.__doc__ or "") in described, command.callback.__name__
    assert "..." not in text.replace("[ARGS]...", "")


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("command", ["", *command_lines(cli.application()), "dead-letters"])
def test_every_help_fits_and_has_an_example_and_its_exit_codes(monkeypatch, capsys, command, columns):
    text = shown(monkeypatch, capsys, *command.split(), columns=columns)

    assert max(map(len, text.splitlines())) <= columns
    assert "Example: " in text
    assert re.search("Exit codes?: 0 ", " ".join(text.split()))
    assert not re.search(r"\d{11}|<=x|x>=|<int|<float|<str", text), (
        "a limit that nobody needs to know, or typer's own words"
    )


SOME = """
from workers.cli.help import App
app = App("Help.")
for name in ("verify", "zebra", "init"):
    app.command(name, help=f"Do {name}. And more.")(lambda: None)
app(["--help"])
"""


def test_a_command_that_no_section_names_is_shown_and_one_that_is_not_there_is_not():
    ran = subprocess.run(
        [sys.executable, "-c", SOME], env={"COLUMNS": "80"}, capture_output=True, text=True, check=True
    )
    told = ran.stdout.splitlines()

    assert told[told.index("The first day:") :] == [
        "The first day:",
        "  init    Do init.",
        "  verify  Do verify.",
        "",
        "Every day:",
        "  zebra   Do zebra.",
    ]


@pytest.mark.parametrize(
    ("given", "low", "high", "name", "text"),
    [
        (("--count <int range>", "How many.  [default: 1000; x>=0]"), 0, None, "--count N", "How many.  [default: 1000; at least 0]"),
        (("--wait SECONDS", "So long.  [default: 0.0; 0<=x<=86400]"), 0, 86400, "--wait SECONDS", "So long.  [default: 0; 0 to 86,400]"),
        (("--start N", f"First.  [default: 0; {-(2**63)}<=x<={2**63 - 1}]"), -(2**63), 2**63 - 1, "--start N", "First.  [default: 0]"),
        (("--seed N", f"Any.  [x<={2**63}]"), None, 2**63, "--seed N", "Any."),
        (("--topic <str>", "The topic."), None, None, "--topic TEXT", "The topic."),
        (("--all", "All there are."), None, None, "--all", "All there are."),
        (("--form <text|json>", "How."), None, None, "--form text|json", "How."),
        (("--reason <aaaaaaaaaaaa|bbbbbbbbbbbbbbb>", "Only this."), None, None, "--reason WORD", "Only this: aaaaaaaaaaaa, bbbbbbbbbbbbbbb."),
        (("--share <float range>", "Part.  [0<=x<=0.4; required]"), 0, 0.4, "--share NUMBER", "Part.  [0 to 0.4; required]"),
    ],
)  # fmt: skip
def test_an_option_is_told_in_words(given, low, high, name, text):
    assert readable(*given, low, high) == (name, text)


def test_a_limit_that_is_only_there_because_numbers_end_is_not_told():
    assert range_in_words(1, 2**31 - 1) == "at least 1"
    assert range_in_words(None, 10.5) == "at most 10.5"
    assert range_in_words(-(2**63), 2**63 - 1) == ""
