"""JSON, the plain way: many values at a time, where the result and the bytes prove that it is exactly what was sent.

It takes nothing else: orjson rounds large integers to doubles, and keeps the last of two fields of one name, without an error.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from workers.formats.limits import INT64_MAX, INT64_MIN, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.formats.plain_names import PlainRules

MAX_DOUBLE = 9e18
"""A smaller double is no integer of more than 64 bits, which orjson has rounded."""
NEGATIVE_EXPONENT = re.compile(rb"[:,[\s]-?[0-9.]+[eE]-")
MANY_ZEROS = b"0" * 300
"""A value in which a number other than zero becomes zero has the one or the other."""
PLAIN_BYTES = 64 * 1024
"""The size of the largest plain value: as a document it is far below every limit of size of a database."""
TOGETHER = 256
"""Values that are looked at together. What is done once for all of them costs little for each."""
FEWER = (16, 4)
"""Where one of them is not plain, so many are; and what is not plain among the last is not looked at any further: the strict
decoder takes less time for a value than a look at it alone."""
BYTES_TOGETHER = 1024 * 1024
"""So many at most, for the memory that it takes."""
LEAST_BYTES = 2
"""Of a field's value or an array's element in JSON, with the comma or bracket that follows: `0,`."""


def parse_plain(
    values: Sequence[bytes | None], limits: Limits, rules: PlainRules | None = None
) -> tuple[list[dict[str, Any]], list[int]]:
    """The fields of each value that is plain: one JSON object of at most `PLAIN_BYTES`, without anything that needs a look
    at each token, a backslash or a number near the limits of a double for example.

    So all its strings are valid Unicode without half surrogates, and its integers have at most 64 bits.

    Args: rules: of the policies; None: they change nothing about plain values.

    Returns:
        The fields by value, {} for those that are not plain; and the indexes of these, for the strict decoder. A few plain
        values beside one that is not plain may be among them.
    """
    found: list[dict[str, Any]] = []
    others: list[int] = []
    for first in range(0, len(values), TOGETHER):
        together = values[first : first + TOGETHER]
        plain = parse_together(together, limits, PLAIN_BYTES, rules)
        if plain is None:
            each = _plain_among(together, limits, rules)
            others += [first + index for index, fields in enumerate(each) if fields is None]
            plain = [{} if fields is None else fields for fields in each]
        found += plain
    return found, others


def parse_together(
    values: Sequence[bytes | None], limits: Limits, most_bytes: int, rules: PlainRules | None = None
) -> list[dict[str, Any]] | None:
    """The fields of these values, of at most so many bytes each; None: at least one of them is not plain."""
    try:
        # A tombstone is None, which has no length.
        sizes = [*map(len, values)]  # type: ignore[arg-type]
        longest = max(sizes)
        if longest > min(limits.value_bytes, most_bytes) or (sum(sizes) > BYTES_TOGETHER and len(values) > 1):
            return None
        text = b"".join(values)  # type: ignore[arg-type]
        if b"\\" in text:
            return None
        found = [*map(orjson.loads, values)]  # type: ignore[arg-type]
    except (TypeError, orjson.JSONDecodeError):
        return None
    return found if {*map(type, found)} == {dict} and _are_plain(found, text, longest, limits, rules) else None


def _plain_among(
    values: Sequence[bytes | None], limits: Limits, rules: PlainRules | None
) -> list[dict[str, Any] | None]:
    """The fields of those that are plain, but for a few; None for the others."""
    found = [_load(each, limits) for each in values]
    _drop_others(found, values, limits, FEWER, rules)
    return found


def _load(value: bytes | None, limits: Limits) -> dict[str, Any] | None:
    if value is None or len(value) > min(limits.value_bytes, PLAIN_BYTES) or b"\\" in value:
        return None
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return fields if type(fields) is dict else None


def _drop_others(
    found: list[dict[str, Any] | None],
    values: Sequence[bytes | None],
    limits: Limits,
    together: Sequence[int],
    rules: PlainRules | None,
) -> None:
    """Replace the fields of what is not plain by None. Args: together: how many are looked at at once, and then of these."""
    for first in range(0, len(found), together[0]):
        part = slice(first, first + together[0])
        some = found[part]
        fields = [each for each in some if each is not None]
        texts = [
            value for each, value in zip(some, values[part], strict=True) if each is not None and value is not None
        ]
        if fields and not _are_plain(fields, b"".join(texts), max(map(len, texts)), limits, rules):
            if len(together) > 1:
                _drop_others(some, values[part], limits, together[1:], rules)
            else:
                some = [None] * len(some)
            found[part] = some


def _are_plain(
    found: Sequence[dict[str, Any]], text: bytes, longest: int, limits: Limits, rules: PlainRules | None
) -> bool:
    """Whether all of these fields are exactly what was sent. If so, those that have another name in the document get it.

    They are looked at together, level by level of their nesting, so that nearly all of it is done by a few calls into C.

    Args:
        text: the values that they were decoded from, without a backslash.
        longest: the bytes of the longest of them.
    """
    quotes = count = depth = 0
    objects = found
    arrays: list[list[Any]] = []
    renamed: list[tuple[dict[str, Any], dict[str, Any]]] = []
    while objects or arrays:
        depth += 1
        names = set().union(*objects)
        if rules is not None:
            if (others := rules.renamed(names, objects, outermost=depth == 1)) is None:
                return False
            renamed += others
        elif not _are_good(names) or (depth == 1 and "_id" in names):
            return False
        children = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(arrays)]
        kinds = [*map(type, children)]
        count += len(children)
        quotes += 2 * (sum(map(len, objects)) + kinds.count(str))
        if not (_are_integers_exact(children, kinds) and _are_doubles_exact(children, kinds, text)):
            return False
        if rules is not None and not rules.has_doubles and float in kinds:
            return False
        objects = [each for each in children if type(each) is dict] if dict in kinds else []
        arrays = [each for each in children if type(each) is list] if list in kinds else []
    # Without a backslash each name and each string has two quotes in its value, and there are no others. A value of which a
    # duplicate field was dropped has fewer in the result, and none has more: so it shows in the sum of all of them.
    if quotes != text.count(b'"') or depth > limits.depth:
        return False
    # Each value for itself has too few bytes for too many fields, or is alone, or they are not plain together.
    if count > limits.fields and longest > LEAST_BYTES * limits.fields:
        return False
    # Not before: what is not plain is looked at once more, as it was sent.
    for fields, new in renamed:
        fields.clear()
        fields.update(new)
    return True


def _are_good(names: Iterable[str]) -> bool:
    """Whether each can be the name of a field. Without a backslash none has a control character."""
    return all(name.isidentifier() or (name and name[0] != "$" and "." not in name) for name in names)


def _are_integers_exact(children: Sequence[Any], kinds: Sequence[type]) -> bool:
    if int not in kinds:
        return True
    integers = [each for each in children if type(each) is int]
    return min(integers) >= INT64_MIN and max(integers) <= INT64_MAX


def _are_doubles_exact(children: Sequence[Any], kinds: Sequence[type], text: bytes) -> bool:
    if float not in kinds:
        return True
    sizes = [abs(each) for each in children if type(each) is float]
    return max(sizes) < MAX_DOUBLE and (min(sizes) > 0 or not _may_underflow(text))


def _may_underflow(text: bytes) -> bool:
    # Most have neither, and that is known at once.
    return MANY_ZEROS in text or ((b"e-" in text or b"E-" in text) and bool(NEGATIVE_EXPONENT.search(text)))
