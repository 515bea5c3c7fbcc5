"""The reference in docs/ is what the code says: `make docs` writes it."""

from __future__ import annotations

import re
from enum import Enum

import pytest

from docs.generate.__main__ import PAGES
from docs.generate.commands import everything
from docs.generate.markdown import meanings, table
from docs.generate.settings import GROUPS
from tests.support.doc_blocks import DOCS
from workers.errors import ExitCode
from workers.log_fields import Action
from workers.settings import PREFIX, Settings
from workers.state.event_log import Event, Hang
from workers.types import RejectReason


def text(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_what_the_code_says(path):
    assert text(path) == PAGES[path](), "run `make docs`"


def test_no_other_page_stands_among_them():
    """One that nothing makes any more would stay as it is for good."""
    assert {f"reference/{path.name}" for path in (DOCS / "reference").glob("*")} == {
        path for path in PAGES if path.startswith("reference/")
    }


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_one_row_with_its_default_and_its_meaning(name):
    (row,) = re.findall(rf"^\| `{PREFIX}{name.upper()}` \|(.+)$", text("reference/settings.md"), re.MULTILINE)
    field = Settings.model_fields[name]

    assert field.description
    assert field.description.replace("`", "")[:20] in row.replace("`", "")
    if isinstance(field.default, int | float):
        assert f"`{str(field.default).lower()}`" in row


def test_every_group_of_settings_begins_with_one_that_exists():
    assert {first for first, _ in GROUPS.values()} <= set(Settings.model_fields)


@pytest.mark.parametrize("page", ["reference/exit-codes.md"])
def test_every_exit_code_stands_there(page):
    assert re.findall(r"^\| (\d+) \|", text(page), re.MULTILINE) == [
        *(str(int(code)) for code in ExitCode),
        "130",
        "143",
    ]


@pytest.mark.parametrize("word", [*Event, *Hang])
def test_every_event_and_way_to_hang_has_a_row(word):
    assert f"\n| `{word}` |" in text("reference/events.md")


@pytest.mark.parametrize("word", Action)
def test_every_action_of_a_log_line_has_a_row(word):
    assert f"\n| `{word}` |" in text("reference/logs.md")


@pytest.mark.parametrize("reason", RejectReason)
def test_every_reason_of_a_dead_letter_has_a_row(reason):
    assert f"\n| `{reason}` |" in text("reference/payloads.md")


def test_every_command_has_a_section_with_its_options():
    page = text("reference/commands.md")

    for name, command in everything():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        options = [each.opts[0] for each in command.params if each.opts[0].startswith("--")]
        assert [each for each in options if f"`{each}" not in section and each != "--help"] == []


class Undescribed(Enum):
    ONE = 1
    """It is described."""
    TWO = 2


def test_a_member_without_a_meaning_is_refused():
    with pytest.raises(LookupError, match=r"Undescribed\.TWO has no docstring"):
        meanings(Undescribed)


def test_a_bar_in_a_cell_does_not_end_it():
    assert table(["a"], [["x|y"]]).endswith("| x\\|y |")
