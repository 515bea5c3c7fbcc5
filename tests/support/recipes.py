"""The recipes of docs/how-to/recipes.md: by heading, a route, commands, and the document that comes out of them."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from tests.support.doc_blocks import DOCS, Command, blocks
from workers.settings.route import Route

PAGE = DOCS / "how-to" / "recipes.md"
ID = re.compile(r"(?P<topic>.+)-[0-9a-f]{8}/\d+/\d+")


@dataclass
class Recipe:
    """`route` as it stands there. `document`: in extended JSON."""

    name: str
    route: str = ""
    commands: list[Command] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def before_resume(self) -> list[Command]:
        return [command for command in self.commands if command not in self.resume]

    @property
    def resume(self) -> list[Command]:
        """What is to be done once everything else was: the end of a pause."""
        return [command for command in self.commands if command.text.startswith("workers resume")]

    @property
    def records(self) -> int:
        """How many its commands send."""
        return sum("workers produce" in command.text for command in self.commands)

    @property
    def topic(self) -> str:
        """Of the document."""
        found = ID.fullmatch(self.document["_id"])
        assert found, self.name
        return found["topic"]

    @property
    def collection(self) -> str:
        (route,) = tomllib.loads(self.route)["route"]
        return Route.model_validate(route).collection_of(self.topic)


def recipes() -> list[Recipe]:
    """Those of the page, in its order. A section without a route is none."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    headings = {number: line.removeprefix("## ") for number, line in enumerate(lines, 1) if line.startswith("## ")}
    found = {line: Recipe(name) for line, name in headings.items()}
    for block in blocks(PAGE):
        recipe = found.get(max((line for line in headings if line < block.line), default=0))
        if recipe is None:
            continue
        if block.language == "toml":
            recipe.route = block.text
        elif block.language == "console":
            recipe.commands += block.commands
        elif block.language == "json":
            recipe.document = json.loads(block.text)
    return [recipe for recipe in found.values() if recipe.route]


def alike(stored: Any, shown: Any) -> bool:
    """Whether a document is the one that is shown, but for what differs from one database to another: ids, and times."""
    if isinstance(shown, dict) and isinstance(stored, dict):
        return [*shown] == [*stored] and all(
            ID.sub(r"\g<topic>", stored[name]) == ID.sub(r"\g<topic>", shown[name])
            if name == "_id"
            else alike(stored[name], shown[name]) or name == "timestamp"
            for name in shown
        )
    if isinstance(shown, list) and isinstance(stored, list):
        return len(shown) == len(stored) and all(map(alike, stored, shown))
    return type(stored) is type(shown) and bool(stored == shown)
