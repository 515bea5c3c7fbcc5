"""The selectors of a PromQL expression, as a dashboard writes it: with variables in it.

Not a parser: what an expression means, and whether it is one, only Prometheus says. tests/dashboards asks that, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(r"""\s+|"(?:\\.|[^"\\])*"|\$?[A-Za-z_:][\w:]*|[\d.]+\w*|\[[^\]]*\]|[=!]~|[=!<>]=|.""")
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"((?:\\.|[^"\\])*)"\s*(?:,|$)')
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "count_values", "quantile", "topk", "bottomk", "group", "stddev"}
# Each is followed by a list of labels in parentheses.
LABELS_FOLLOW = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
BRACKETS = {")": "(", "}": "{"}


class Selector(NamedTuple):
    """One place where an expression reads a metric."""

    metric: str
    matchers: dict[str, tuple[str, str]]
    """By label: the operator, and the value as it is written."""
    window: str
    """`5m`, or "" where it is not a range."""
    function: str
    """That it is an argument of, or ""."""


def selectors(expression: str) -> list[Selector]:
    """Raises: ValueError: a bracket or a quotation mark is open, or matchers are none."""
    return list(_selectors(_tokens(expression)))


def _tokens(expression: str) -> list[str]:
    tokens = [token for token in TOKEN.findall(expression) if token.strip()]
    open_brackets: list[str] = []
    for token in tokens:
        if token in "({":
            open_brackets.append(token)
        elif token in BRACKETS and (not open_brackets or open_brackets.pop() != BRACKETS[token]):
            raise ValueError(f"{token} closes nothing: {expression}")
        elif token in ('"', "[", "]"):
            raise ValueError(f"{token} has no other one: {expression}")
    if open_brackets or not tokens:
        raise ValueError(f"it is empty, or {open_brackets} are open: {expression}")
    return tokens


def _selectors(tokens: list[str]) -> Iterator[Selector]:
    calls: list[str] = []
    place = 0
    while place < len(tokens):
        token, after = tokens[place], tokens[place + 1] if place + 1 < len(tokens) else ""
        place += 1
        if token in LABELS_FOLLOW and after == "(":
            place = tokens.index(")", place) + 1
        elif token == "(":
            before = tokens[place - 2] if place > 1 else ""
            calls.append(before if re.match(r"[a-z]", before) and before not in WORDS else "")
        elif token == ")":
            calls.pop()
        elif re.match(r"[A-Za-z_:]", token) and after != "(" and token not in WORDS | AGGREGATIONS | LABELS_FOLLOW:
            matchers = ""
            if after == "{":
                end = tokens.index("}", place)
                matchers = "".join(tokens[place + 1 : end])
                place = end + 1
            window = tokens[place][1:-1] if place < len(tokens) and tokens[place].startswith("[") else ""
            yield Selector(token, _matchers(matchers), window, calls[-1] if calls else "")


def _matchers(text: str) -> dict[str, tuple[str, str]]:
    found = {name: (operator, value) for name, operator, value in MATCHER.findall(text)}
    if MATCHER.sub("", text).strip():
        raise ValueError(f"these are no matchers: {text}")
    return found
