"""What becomes of what JSON has and a document has not: one setting each, its values, and what each of them loses.

The one table of this: settings are checked against it, `workers config` and `workers verify` name what is lossy by it, and the
tables of the documentation are made of it. Pure.
"""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, Field, field_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationInfo

LONGEST_NAME, LONGEST_TEXT = 100, 8
"""Bytes. A document's size is bounded by that of its JSON, which no name and no text may break: `BSON_PER_JSON` of
`workers.sinks.mongodb.insert_command`."""
NAME, TEXT = "NAME", "TEXT"


class Choice(NamedTuple):
    """A value of a policy."""

    word: str
    effect: str
    """What is stored, in a few words."""
    loss: str = ""
    """What the document does not tell of the record; empty: nothing. Then it is exact, though perhaps in another form."""
    argument: str = ""
    """What follows the word behind a colon: `NAME` or `TEXT`; empty: nothing."""

    @property
    def form(self) -> str:
        """As it is written."""
        return f"{self.word}:{self.argument}" if self.argument else self.word


@dataclass(frozen=True)
class Policy:
    """One setting. The first choice is its default, and is what a worker without any policy does."""

    about: str
    choices: tuple[Choice, ...]

    def choice(self, value: str) -> Choice:
        """The choice that a value of the setting is."""
        word = value.partition(":")[0]
        return next(each for each in self.choices if each.word == word)

    def checked(self, value: str) -> str:
        """The same value.

        Raises:
            ValueError: it is none of the choices, or what follows it cannot be used.
        """
        word, colon, argument = value.partition(":")
        forms = [each.form for each in self.choices]
        choice = next((each for each in self.choices if each.word == word), None)
        if choice is None:
            similar = difflib.get_close_matches(word, [each.word for each in self.choices], n=1)
            meant = f"; did you mean {self.choice(similar[0]).form}?" if similar else ""
            raise ValueError(f"is none of {', '.join(forms)}{meant}")
        if bool(colon) != bool(choice.argument):
            raise ValueError(f"must be written as {choice.form}")
        if problem := _argument_problem(choice.argument, argument):
            raise ValueError(f"{choice.form}: {problem}")
        return value


def _argument_problem(kind: str, text: str) -> str | None:
    longest = {NAME: LONGEST_NAME, TEXT: LONGEST_TEXT}.get(kind)
    if longest is None:
        return None
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return f"{kind} must not hold a control character, or bytes that are not UTF-8"
    if not 1 <= len(text.encode()) <= longest:
        return f"{kind} must have 1 to {longest} bytes"
    if "." in text or text[0] == "$" or (kind == TEXT and "$" in text):
        return f"{kind} must not hold a dot or {'a $' if kind == TEXT else 'begin with $'}"
    if text == "_id":
        return "the _id of a document is made of the record's place, and of nothing else"
    return None


REJECT = Choice("reject", "a dead letter")
POLICIES = {
    "field_names": Policy(
        "a field name with a dot, with a NUL, or with a $ at its beginning",
        (
            REJECT,
            Choice("keep", "as it is; with a NUL it stays a dead letter"),
            Choice(
                "escape", "percent-encoded: a dot as %2E, a $ at the beginning as %24, NUL as %00, and % itself as %25"
            ),
            Choice("replace", "TEXT in place of each such character", "which character it was", TEXT),
        ),
    ),
    "empty_names": Policy("a field name without a character", (REJECT, Choice("keep", "as it is"))),
    "big_integers": Policy(
        "an integer of more than 64 bits",
        (
            REJECT,
            Choice("decimal128", "as Decimal128; with more than 34 digits it stays a dead letter"),
            Choice("string", "as a string of the same digits"),
            Choice("double", "as the nearest double", "more than its first 15 to 17 digits"),
        ),
    ),
    "decimals": Policy(
        "a number with a fraction or an exponent",
        (
            Choice("double", "as the nearest double, which is what such a number in JSON means"),
            Choice("decimal128", "as Decimal128, with every digit; with more than 34 digits it is a dead letter"),
        ),
    ),
    "nan": Policy(
        "NaN, Infinity and -Infinity, which are not JSON",
        (
            REJECT,
            Choice("double", "as the double of this name"),
            Choice("null", "as null", "that it was one of these, and which"),
        ),
    ),
    "bom": Policy("a byte order mark before the value", (REJECT, Choice("strip", "the value without it"))),
    "duplicate_names": Policy(
        "an object with several fields of one name",
        (REJECT, Choice("last", "the last of them, in the place of the first", "the values of the others")),
    ),
    "id_field": Policy(
        "a field _id of the value itself", (REJECT, Choice("rename", "the field under this name", argument=NAME))
    ),
    "not_an_object": Policy(
        "a value that is JSON and no object", (REJECT, Choice("wrap", "in a field of this name", argument=NAME))
    ),
    "surrogates": Policy(
        "half of a surrogate pair, which is no character",
        (REJECT, Choice("replace", "U+FFFD in its place", "which half it was")),
    ),
}
"""By setting. `workers.formats.policies.Policies` has one field each."""


def _field(name: str) -> Any:
    policy = POLICIES[name]
    return Field(policy.choices[0].word, description=f"what becomes of {policy.about}")


class PolicyOptions(BaseModel):
    """A part of `RouteOptions`: a field for each of `POLICIES`."""

    field_names: str = _field("field_names")
    empty_names: str = _field("empty_names")
    big_integers: str = _field("big_integers")
    decimals: str = _field("decimals")
    nan: str = _field("nan")
    bom: str = _field("bom")
    duplicate_names: str = _field("duplicate_names")
    id_field: str = _field("id_field")
    not_an_object: str = _field("not_an_object")
    surrogates: str = _field("surrogates")

    @field_validator(*POLICIES)
    @classmethod
    def _is_a_choice(cls, value: str, info: ValidationInfo) -> str:
        return POLICIES[info.field_name or ""].checked(value)


class Chosen(NamedTuple):
    """A policy that is not the default."""

    name: str
    value: str
    choice: Choice


def chosen(options: PolicyOptions) -> Iterator[Chosen]:
    """The policies of these options that are not the default."""
    for name, policy in POLICIES.items():
        value = getattr(options, name)
        if value != policy.choices[0].word:
            yield Chosen(name, value, policy.choice(value))


def lossy(options: PolicyOptions) -> list[Chosen]:
    """Those of them with which a document does not have all that its record has."""
    return [each for each in chosen(options) if each.choice.loss]


def assignment(name: str, value: str, route: str | None = None) -> str:
    """How a value is set. Args: route: the label of its route in the file of routes; None: it is that of WORKERS_TOPIC."""
    return f"WORKERS_{name.upper()}={value}" if route is None else f'{name} = "{value}" in the route {route}'
