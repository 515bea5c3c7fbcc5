"""The names of fields: which a document can hold, and what becomes of the others.

A name that is an identifier needs no look: it has no dot, no `$`, no `%`, no NUL and no half of a surrogate pair.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from workers.types import RejectedError, RejectReason, Remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.formats.policies import Policies

    Pairs = list[tuple[str, Any]]

SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def object_builder(policies: Policies) -> Callable[[Pairs], dict[str, Any]]:
    """The `object_pairs_hook` of the JSON decoder: the fields of one object, or a `RejectedError`."""
    keeps_last = policies.duplicate_names == "last"
    rename = renaming(policies)
    if rename is None and not keeps_last:
        return _object

    def build(pairs: Pairs) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs) and not keeps_last:
            raise _duplicate()
        if all(map(str.isidentifier, fields)):
            return fields
        renamed = {(rename or _good)(name): value for name, value in fields.items()}
        if len(renamed) != len(fields):
            raise collision()
        return renamed

    return build


def renaming(policies: Policies) -> Callable[[str], str] | None:
    """From a name as it was sent to the one that is stored, or a `RejectedError`; None: no name has another."""
    word, _, text = policies.field_names.partition(":")
    keeps_empty, replaces = policies.empty_names == "keep", policies.surrogates == "replace"
    if word == "reject" and not keeps_empty and not replaces:
        return None
    changes: dict[str, Callable[[str], str]] = {"keep": _kept, "escape": escape, "replace": partial(_replaced, text)}
    change = changes.get(word, _good)

    def rename(name: str) -> str:
        if not name and keeps_empty:
            return name
        name = change(name) if name else _good(name)
        return SURROGATES.sub(REPLACEMENT, name) if replaces else name

    return rename


def escape(name: str) -> str:
    """Percent-encoded where it must be, and nowhere else. Injective: any decoder of URLs makes the same name of it again."""
    escaped = name.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")
    return f"%24{escaped[1:]}" if name[0] == "$" else escaped


def without_id(fields: dict[str, Any], new_name: str) -> dict[str, Any]:
    """The fields of a value that has a field `_id`. Args: new_name: under which it is stored; empty: it is not.

    Raises:
        RejectedError: it must not be there, or the value has a field of the new name, too.
    """
    if not new_name:
        raise RejectedError(
            RejectReason.RESERVED_FIELD,
            "the value has a field _id; the id is made of topic, partition and offset",
            Remedy("id_field", "rename:id"),
        )
    if new_name in fields:
        raise collision()
    return {(new_name if name == "_id" else name): value for name, value in fields.items()}


def collision() -> RejectedError:
    """Two names of an object would be stored as one."""
    return RejectedError(RejectReason.FIELD_COLLISION, "two fields of an object would have one name in the document")


def _object(pairs: Pairs) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _duplicate()
    for name in fields:
        if not name or name[0] == "$" or "." in name or "\0" in name:
            _good(name)
    return fields


def _duplicate() -> RejectedError:
    return RejectedError(
        RejectReason.DUPLICATE_FIELD, "an object has two fields of one name", Remedy("duplicate_names", "last")
    )


def _good(name: str) -> str:
    if not name:
        raise RejectedError(RejectReason.BAD_FIELD_NAME, "a field name is empty", Remedy("empty_names", "keep"))
    if name[0] == "$" or "." in name or "\0" in name:
        raise RejectedError(
            RejectReason.BAD_FIELD_NAME,
            "a field name begins with $, or contains a dot or a NUL",
            Remedy("field_names", "escape"),
        )
    return name


def _kept(name: str) -> str:
    if "\0" in name:
        raise RejectedError(RejectReason.BAD_FIELD_NAME, "a field name contains a NUL", Remedy("field_names", "escape"))
    return name


def _replaced(text: str, name: str) -> str:
    replaced = name.replace(".", text).replace("\0", text)
    return text + replaced[1:] if name[0] == "$" else replaced
