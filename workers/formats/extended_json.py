"""MongoDB's Extended JSON, version 2: https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/

JSON in which an object such as `{"$date": "2026-11-27T12:00:00Z"}` is a value of a type that JSON does not have. Canonical and
relaxed may stand beside each other. Of version 1 it takes what tools write to this day and what can mean one thing only:
`{"$date": <milliseconds>}` and `{"$binary": "...", "$type": "00"}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import Timestamp

from workers.formats.extended_types import NAMES, TYPES, malformed, not_exact
from workers.formats.json import Json
from workers.formats.names import object_builder
from workers.types import RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.formats.limits import Limits
    from workers.formats.policies import Policies

    Pairs = list[tuple[str, Any]]

WRAPPER = b'"$'
"""What a value has in which something is not as it is in JSON, and a plain value has not, or only within a text."""


class ExtendedJson(Json):
    """The format `extended_json`. Names and numbers that are none of its types are as in JSON, under the same policies."""

    def _object_builder(self, policies: Policies) -> Callable[[Pairs], Any]:
        build = object_builder(policies)

        def made(pairs: Pairs) -> Any:
            names = {name for name, _ in pairs if name[:1] == "$"}
            return _typed(pairs, names, build) if names & NAMES else build(pairs)

        return made

    def parse(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        """See `Json.parse`."""
        # Under a policy for names the plain way would take a type for an object with an odd name.
        if value is not None and WRAPPER in value:
            return self.parse_strict(value, limits)
        return super().parse(value, limits)

    def parse_strict(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        """See `Json.parse_strict`."""
        fields = super().parse_strict(value, limits)
        for name, content in fields.items():
            if name == "$ref":
                raise RejectedError(RejectReason.BAD_FIELD_NAME, "a field name begins with $: a DBRef is no document")
            if type(content) is Timestamp and content.time == content.inc == 0:
                raise not_exact("a timestamp of zero at the top of a document is replaced by the time of the server")
        return fields

    def parse_plain(self, values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        """What is plain JSON is plain here too: it has no name that begins with $."""
        plain = [index for index, value in enumerate(values) if value is None or WRAPPER not in value]
        if len(plain) == len(values):
            return super().parse_plain(values, limits)
        found: list[dict[str, Any]] = [{} for _ in values]
        fields, not_plain = super().parse_plain([values[index] for index in plain], limits)
        for index, each in zip(plain, fields, strict=True):
            found[index] = each
        others = set(range(len(values))).difference(plain).union(plain[index] for index in not_plain)
        return found, sorted(others)


def _typed(pairs: Pairs, names: set[str], build: Callable[[Pairs], dict[str, Any]]) -> Any:
    """The value of an object that has some of Extended JSON's names. Args: names: those of its names that begin with $."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RejectedError(RejectReason.DUPLICATE_FIELD, "an object has two fields of one name")
    if "$ref" in names:
        return _reference(fields, build)
    make = TYPES.get(frozenset(fields))
    if make is None:
        raise malformed(min(names & NAMES))
    try:
        return make(*fields.values()) if len(fields) == 1 else make(fields)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise malformed(min(names)) from None


def _reference(fields: dict[str, Any], build: Callable[[Pairs], dict[str, Any]]) -> dict[str, Any]:
    """A DBRef, which is no type of BSON, but an object: https://www.mongodb.com/docs/manual/reference/database-references/"""
    order = [name for name in fields if name[:1] == "$"]
    texts = [fields["$ref"], fields.get("$db", "")]
    if (
        order not in (["$ref", "$id"], ["$ref", "$id", "$db"])
        or [*fields][: len(order)] != order
        or {*map(type, texts)} != {str}
    ):
        raise malformed("$ref")
    own = {name: fields.pop(name) for name in order}
    return own | build([*fields.items()])
