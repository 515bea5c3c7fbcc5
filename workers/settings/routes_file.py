"""Reads the file of WORKERS_ROUTES: several routes, as TOML. Every mistake is told at once, with its line."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from workers.errors import BadConfigurationError
from workers.settings.files import UnreadableError, read_text, shown
from workers.settings.route import Route, RouteTable
from workers.settings.route_options import RouteOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

TABLE = "route"
KEYS = sorted(Route.model_fields, key=lambda name: name in RouteOptions.model_fields)
"""Of a route: those of its place first."""
EXAMPLE = '[[route]] with topics = ["orders"]'


def read_routes(path: Path) -> RouteTable:
    """The routes of a file.

    Raises:
        BadConfigurationError: with all problems, not only the first.
    """
    try:
        text = read_text(path)
    except UnreadableError as error:
        raise BadConfigurationError([f"WORKERS_ROUTES={error}"]) from error
    file = _File(path, text)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfigurationError([file.problem(f"is no TOML: {error}")]) from error
    routes = _routes(content, file)
    if not file.problems:
        table = RouteTable(routes)
        file.problems += [file.problem(each) for each in table.problems()]
        if not file.problems:
            return table
    raise BadConfigurationError(file.problems)


class _File:
    """The text, to find the line of a mistake, and the mistakes."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()
        self.problems: list[str] = []

    def problem(self, said: str, line: int | None = None) -> str:
        where = "" if line is None else f", line {line}"
        return f"WORKERS_ROUTES={shown(self._path)}{where}: {said}"

    def add(self, said: str, number: int | None = None, key: str | None = None) -> None:
        """Args: number: of the route, from 0 on. key: a key of it, or of the file."""
        self.problems.append(self.problem(said, self._line(number, key)))

    def _line(self, number: int | None, key: str | None) -> int | None:
        """Of a key, else of the header of its route; None: it is written in another way than nearly everybody does."""
        route, header = -1, None
        for line, text in enumerate(self._lines, 1):
            if re.match(rf"\s*\[\[\s*{TABLE}\s*\]\]", text):
                route += 1
                if route == number:
                    header = line
            elif key and (number is None or route == number) and re.match(rf"""\s*\[*["']?{re.escape(key)}\b""", text):
                return line
        return header


def _routes(content: Mapping[str, Any], file: _File) -> list[Route]:
    for name in content.keys() - {TABLE}:
        file.add(f"{shown(name)} is not known here: write {EXAMPLE}", key=name)
    given = content.get(TABLE)
    if given is None and not file.problems:
        file.add(f"there is no route in it: write {EXAMPLE}")
    if given is not None and not (isinstance(given, list) and all(isinstance(each, dict) for each in given)):
        file.add(f"{TABLE} must be written as {EXAMPLE}", key=TABLE)
        given = None
    routes = []
    for number, values in enumerate(given or ()):
        try:
            routes.append(Route.model_validate(values))
        except ValidationError as error:
            for item in error.errors(include_url=False):
                key = str(item["loc"][0]) if item["loc"] else None
                file.add(_describe(item, key, values), number, key)
    return routes


def _describe(item: ErrorDetails, key: str | None, values: Mapping[str, Any]) -> str:
    message = item["msg"].removeprefix("Value error, ")
    if key is None:
        return f"the route {message}"
    if item["type"] == "extra_forbidden":
        similar = difflib.get_close_matches(key, Route.model_fields, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else f"; a route can have {', '.join(KEYS)}"
        return f"{shown(key)} is not a setting of a route{hint}"
    if item["type"] == "tuple_type":
        return f'{key} must be a list: {key} = ["{shown(values[key])}"]'
    return f"{key}: {message}"
