"""Pictures of terminals: what was drawn over itself is left out, and nothing is fetched from another host."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest

from docs.generate.picture import FOLDER, PICTURES, drawn, picture, screen
from tests.support.doc_blocks import DOCS


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("1 of 2\r2 of 2\r\ndone\r\n", "2 of 2\ndone"),
        ("a\r\nb\r\n\x1b[1A\x1b[2Kc\r\n", "a\nc"),
        ("\x1b[?25lwait\x1b[2K\rready\x1b[?25h\r\n", "ready"),
    ],
)
def test_only_what_is_on_the_screen_at_the_end_is_seen(written, seen):
    assert drawn(written) == seen


def test_a_command_runs_on_a_terminal_of_its_own():
    code = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns)"

    assert screen(61, [sys.executable, "-c", code]) == "True 61"


def test_a_picture_has_the_text_with_its_colours_and_no_font_of_another_host():
    svg = picture("$ x\n\x1b[32mhealthy\x1b[0m", 80, "workers x")
    root = ET.fromstring(svg)
    text = "".join(root.itertext())

    assert "healthy" in text
    assert "workers" in text
    assert re.findall(r"url\(\"|@font-face|@import", svg) == []


def test_every_picture_of_the_folder_is_made_here_and_used_by_a_page():
    there = {path.stem for path in FOLDER.glob("*.svg")}
    used = set(re.findall(r"pictures/(\w+)\.svg", "".join(page.read_text() for page in DOCS.rglob("*.md"))))

    assert there == used == PICTURES.keys()


def test_the_picture_of_the_status_is_one_of_this_version():
    shown = "".join(ET.fromstring((FOLDER / "status.svg").read_text(encoding="utf-8")).itertext()).replace(
        "\N{NO-BREAK SPACE}", " "
    )

    assert "is accounted for" in shown
    assert "audit " in shown
    assert "…" not in shown
