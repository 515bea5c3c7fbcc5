"""Small pieces of Markdown that all generated pages share."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import Enum

MADE = "<!-- Made from the code by `make docs`. Do not edit: change the code. A test fails when the two differ. -->"


def page(title: str, *parts: str) -> str:
    """A whole page: title, the word that it is generated, and its parts with an empty line between them."""
    return "\n\n".join([f"# {title}", MADE, *(part.strip("\n") for part in parts)]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table. A `|` in a cell is written so that it does not end the cell."""
    lines = [head := list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def as_code(text: str) -> str:
    """A sentence of the code with the names of settings and options as code. What is in backquotes already stays."""
    parts = re.split(r"(`[^`]*`)", text)
    names = r"(?<![\w-])(WORKERS_[A-Z_]*[A-Z](?:=\w+)?|--[a-z][a-z-]*)"
    return "".join(part if part.startswith("`") else re.sub(names, r"`\1`", part) for part in parts)


def anchored(text: str) -> str:
    """What a heading with this text is linked by."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")


def meanings(members: type[Enum]) -> dict[Any, str]:
    """Each member of an enumeration with the docstring below it.

    Raises:
        LookupError: a member has none. Write one: the reference is made of it.
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(members))).body
    body = getattr(definition, "body", [])
    docstrings = {
        ast.unparse(node.targets[0]): str(following.value.value)
        for node, following in itertools.pairwise(body)
        if isinstance(node, ast.Assign)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
    }
    for member in members:
        if member.name not in docstrings:
            raise LookupError(f"{members.__module__}.{members.__name__}.{member.name} has no docstring below it")
    return {member: as_code(" ".join(docstrings[member.name].split())) for member in members}
