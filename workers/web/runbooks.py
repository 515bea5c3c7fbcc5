"""The runbooks, a page for each alert, as the page of the fleet shows them: `/runbooks/`, `/runbooks/FleetStuck`."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

import workers

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PREFIX = "/runbooks/"
INDEX = "README"
NAME = re.compile(r"[A-Za-z]{1,80}")
FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="../fleet.css">
</head>
<body class="document">
<header><p><a href="../">the fleet</a> · <a href=".">runbooks</a></p></header>
<main class="panel">
{content}
</main>
</body>
</html>
"""


class Runbooks:
    """Reads and renders them when they are asked for: they are few, and rarely read."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Args: folder: where they are, as Markdown; None: those of this installation."""
        self._folder = folder or _installed()
        # No HTML of a file reaches the page as such.
        self._markdown = MarkdownIt("commonmark", {"html": False})

    def page(self, path: str) -> bytes | None:
        """The page at `/runbooks/` or `/runbooks/NAME`; None: there is none."""
        name = path.removeprefix(PREFIX) or INDEX
        if not path.startswith(PREFIX) or not NAME.fullmatch(name):
            return None
        try:
            text = (self._folder / f"{name}.md").read_text(encoding="utf-8")
        except OSError:
            return None
        content = self._markdown.render(re.sub(r"\]\((\w+)\.md\)", r"](\1)", text))
        title = "Runbooks" if name == INDEX else name
        return FRAME.format(title=escape(title), content=content).encode()


def _installed() -> Traversable:
    """In a wheel they are in the package, for `workers init` too; in a checkout in docs/, where people read them."""
    packaged = files("workers") / "scaffold/originals/docs/runbooks"
    return packaged if packaged.is_dir() else Path(workers.__file__).parents[1] / "docs/runbooks"
