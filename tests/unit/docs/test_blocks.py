"""What the fenced blocks of README and docs name exists: commands, options, settings. tests/acceptance/test_docs.py runs them."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from docs.generate.commands import everything
from tests.support.doc_blocks import DOCS, PARSED, REPOSITORY, RUN, SHOWN, Block, blocks, pages, same
from workers.settings import PREFIX, Settings
from workers.settings.load import NOT_SETTINGS, SECRETS

BLOCKS = [block for page in [*pages(), REPOSITORY / "CONTRIBUTING.md"] for block in blocks(page)]
COMMANDS = {name.removeprefix("workers "): command for name, command in everything()}


def _ini(text: str) -> None:
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",), comment_prefixes=(";", "#"))
    parser.read_string(text if text.lstrip().startswith(("[", ";")) else f"[settings]\n{text}")


PARSERS: dict[str, Callable[[str], Any]] = {
    "ini": _ini,
    "json": lambda text: [json.loads(each) for each in (text.splitlines() if "\n{" in text else [text])],
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_has_a_language_that_is_run_parsed_or_only_shown(block):
    assert block.language in (*RUN, *PARSED, *SHOWN)
    if "not run" in block.marks:
        assert block.language in RUN
        assert len(block.marks["not run"]) > 10, "say why"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in PARSED], ids=str)
def test_what_is_data_can_be_read(block):
    PARSERS[block.language](block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=str)
def test_a_console_block_begins_with_a_command(block):
    assert block.text.lstrip().startswith("$ ")


def test_every_file_that_a_reason_names_exists_and_does_what_it_says():
    """A block that is run elsewhere is run there."""
    named = {
        path for block in BLOCKS for path in re.findall(r"\.ci/run|tests/[\w/]+\.py", block.marks.get("not run", ""))
    }

    assert named
    assert {path for path in named if not (REPOSITORY / path).is_file()} == set()


CALL = re.compile(r"(?:^|[\s/(|;&`])workers ([a-z][a-z-]*\b[^|;&)$(`,\n]*)")


def in_blocks() -> list[tuple[str, str]]:
    """Every call of the command in a block, and where it stands."""
    commands = [(str(block), each.text) for block in BLOCKS if block.language in RUN for each in block.commands]
    return [(where, call) for where, text in commands for call in CALL.findall(text)]


def in_sentences() -> list[tuple[str, str]]:
    """Every call that stands as code in a sentence or a table."""
    found = []
    for page in pages():
        code = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
        found += [(str(page.relative_to(REPOSITORY)), call) for each in code for call in CALL.findall(each)]
    return found


@pytest.mark.parametrize("calls", [in_blocks, in_sentences])
def test_every_command_and_option_exists(calls):
    found = calls()

    assert len(found) > 20
    for where, call in found:
        words, options = call.split(), re.findall(r"(?<=\s)--[a-z-]+", call)
        name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
        meant = [each for each in COMMANDS if each == name or each.startswith(f"{name} ")]
        assert meant, f"{where}: workers {call}"
        known = {"--help", *(opt for each in meant for parameter in COMMANDS[each].params for opt in parameter.opts)}
        assert [each for each in options if each not in known] == [], where


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_setting_that_a_page_names_exists(page):
    known = {PREFIX + field.upper() for field in Settings.model_fields} | {
        f"{PREFIX}{name.upper()}_FILE" for name in SECRETS
    }
    named = set(re.findall(r"\bWORKERS_[A-Z0-9_]*[A-Z0-9]\b", page.read_text(encoding="utf-8")))

    assert named - known - NOT_SETTINGS - EXAMPLES_OF_NONE == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_that_names_the_port_of_the_watchdog_names_that_of_the_auditor_too(page):
    """Both run beside the workers: who gives one a port of its own, or scrapes it, must do so with the other."""
    text = page.read_text(encoding="utf-8")

    for watchdog, auditor in (("WORKERS_WATCHDOG_PORT", "WORKERS_AUDITOR_PORT"), ("9791", "9792")):
        assert watchdog not in text or auditor in text


EXAMPLES_OF_NONE = {"WORKERS_TOPC", "WORKERS_ROUTES"}
"""Named as a mistake, or as what may come."""


def test_the_readme_can_be_read_on_one_and_a_half_screens():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_a_page_is_read_into_blocks_with_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "text\n<!-- not run: it needs a server -->\n<!-- exit: 0 or 1 -->\n```console\n$ one \\\n    --more    # why\nprinted\n...\n$ two\n```\n"
        "    ```sh\n    a\n      b\n    ```\n"
    )

    first, second = blocks(page)

    assert (first.language, first.marks, first.exit_codes) == (
        "console",
        {"not run": "it needs a server", "exit": "0 or 1"},
        {0, 1},
    )
    assert [(each.text, each.output) for each in first.commands] == [
        ("one \\\n    --more    # why", ["printed"]),
        ("two", []),
    ]
    assert (second.text, second.marks, second.exit_codes) == ("a\n  b", {}, {0})


def test_a_fence_that_is_not_closed_is_an_error(tmp_path):
    (tmp_path / "page.md").write_text("```sh\nls\n")

    with pytest.raises(ValueError, match="not closed"):
        blocks(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("documented", "printed", "is_same"),
    [
        ("      all  1,000   1,000     0", "all 1,234   1,234     0", True),
        ("every record is accounted for", "every record is accounted for", True),
        ("every record is accounted for", "some records are missing", False),
        ("{'_id': 'numtest-311447f7/3/42', 'number': 1}", "{'_id': 'numtest-08b40071/0/7', 'number': 99}", True),
        ("workers_lag_up 1.0", "workers_lag_down 1.0", False),
    ],
)
def test_lines_are_compared_without_what_differs_from_run_to_run(documented, printed, is_same):
    assert same(documented, printed) is is_same


def test_only_the_pages_of_docs_and_the_readme_are_read():
    assert pages()[0].name == "README.md"
    assert {path for path in pages()[1:] if not path.is_relative_to(DOCS)} == set()
    assert isinstance(BLOCKS[0], Block)
