"""The documentation of this version, as the page of the fleet shows it: `/docs/`, `/docs/how-to/upgrade`, `/docs/runbooks/`."""

from __future__ import annotations

import posixpath
import re
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

import workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

    from markdown_it.token import Token

PREFIX = "/docs/"
INDEXES = ("index", "README")
"""The page of a folder has one of these names."""
NAME = re.compile(r"(?:[A-Za-z0-9-]{1,80}/){0,2}(?:[A-Za-z0-9_-]{1,80})?")
FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{up}fleet.css">
</head>
<body class="document">
<header><p><a href="{up}">the fleet</a> · <a href="{up}docs/">docs</a> · <a href="{up}docs/runbooks/">runbooks</a></p></header>
<main class="panel">
{content}
</main>
</body>
</html>
"""


class Documents:
    """Reads and renders pages when they are asked for: they are few, and rarely read."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Args: folder: where they are, as Markdown; None: those of this installation."""
        self._folder = folder or _installed()
        self._markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
        self._markdown.add_render_rule("html_inline", _markup)
        self._markdown.add_render_rule("html_block", _markup)
        self._markdown.add_render_rule("image", _picture)

    def page(self, path: str) -> bytes | None:
        """The page at a path that begins with `PREFIX`; None: there is none."""
        name = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX) or not NAME.fullmatch(name):
            return None
        for each in (name,) if name and not name.endswith("/") else (f"{name}{index}" for index in INDEXES):
            try:
                text = (self._folder / f"{each}.md").read_text(encoding="utf-8")
            except OSError:
                continue
            return self._render(text, posixpath.dirname(name), "../" * path.count("/", 1))
        return None

    def _render(self, text: str, folder: str, up: str) -> bytes:
        tokens = self._markdown.parse(text)
        title = "Documentation"
        for heading, inline in pairwise(tokens):
            if heading.type == "heading_open":
                heading.attrSet("id", _anchor(_text(inline)))
                title = _text(inline) if heading.tag == "h1" else title
        for token in tokens:
            self._link(token.children or (), folder)
        content = self._markdown.renderer.render(tokens, self._markdown.options, {})
        return FRAME.format(title=escape(title), up=up, content=content).encode()

    def _link(self, tokens: Sequence[Token], folder: str) -> None:
        """Make links to other pages lead there. Of what is not part of the documentation only the words stay."""
        is_dead = False
        for token in tokens:
            if token.type == "link_open":
                href = str(token.attrGet("href"))
                found = href if re.match(r"[a-z]+:|#", href) else self._found(folder, href)
                is_dead = token.hidden = found is None
                token.attrSet("href", found or "")
            elif token.type == "link_close":
                token.hidden = is_dead

    def _found(self, folder: str, link: str) -> str | None:
        """A link to a Markdown file as one to its page; None: there is none."""
        path, _, anchor = link.partition("#")
        if not NAME.fullmatch(page := posixpath.normpath(posixpath.join(folder, path)).removesuffix(".md")):
            return None
        if not path.endswith(".md") or not (self._folder / f"{page}.md").is_file():
            return None
        before, name = posixpath.split(path.removesuffix(".md"))
        target = posixpath.join(before, "" if name in INDEXES else name) or "./"
        return f"{target}#{anchor}" if anchor else target


def _markup(_renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    """Of the HTML in a file only a line break reaches the page. A comment is left out, and the rest is shown as text."""
    content = tokens[index].content
    return content if content == "<br>" else escape(re.sub(r"<!--.*?-->", "", content, flags=re.DOTALL).strip())


def _picture(_renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    """A wheel carries no pictures: what they show, in words."""
    return f"<em>[{escape(tokens[index].content)}]</em>"


def _text(inline: Token) -> str:
    return "".join(each.content for each in inline.children or ())


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _installed() -> Traversable:
    """In a wheel they are in the package, for `workers init` too; in a checkout in docs/, where people read them."""
    packaged = files("workers") / "scaffold/originals/docs"
    return packaged if packaged.is_dir() else Path(workers.__file__).parents[1] / "docs"
