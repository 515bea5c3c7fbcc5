"""JSON: exactly what was sent, or as a policy says, or a reject with its reason.

Two decoders: one for plain values, many at a time (`plain_json`), and a strict one that checks every token and is the only
source of reasons.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from workers.formats.mistaken import seems_to_be
from workers.formats.names import REPLACEMENT, SURROGATES, object_builder, without_id
from workers.formats.numbers import constant_parser, integer_parser, number_parser
from workers.formats.plain_json import PLAIN_BYTES, parse_plain, parse_together
from workers.formats.plain_names import PlainRules
from workers.formats.policies import NO_POLICY
from workers.types import RejectedError, RejectReason, Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.formats.limits import Limits
    from workers.formats.policies import Policies

MARK = "\ufeff"
"""The byte order mark."""
FRACTION = re.compile(rb"[0-9][.eE]")
"""What every number with a fraction or an exponent has, and a string may have, too."""
ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Json:
    """The format `json`: see `workers.pipeline.decoder.Format`."""

    def __init__(self, policies: Policies = NO_POLICY) -> None:
        """Compile the policies: what none of them is about costs nothing for a value."""
        self._policies = policies
        self._rules = PlainRules.of(policies)
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._object_builder(policies),
            parse_int=integer_parser(policies.big_integers),
            parse_float=number_parser(policies.decimals),
            parse_constant=constant_parser(policies.nan),
        ).decode
        self._replaces_surrogates = policies.surrogates == "replace"

    def _object_builder(self, policies: Policies) -> Callable[[list[tuple[str, Any]]], Any]:
        """What an object of the value becomes."""
        return object_builder(policies)

    def parse(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        """The fields of a value that is one JSON object in UTF-8.

        Raises:
            RejectedError: for any other value; bad input raises no other error.
        """
        if (
            value is not None
            and len(value) > PLAIN_BYTES
            and (found := parse_together([value], limits, limits.value_bytes, self._rules))
        ):
            return found[0]
        return self.parse_strict(value, limits)

    def parse_plain(self, values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        """See `workers.formats.plain_json.parse_plain`."""
        if self._rules is None or self._rules.has_doubles:
            return parse_plain(values, limits, self._rules)
        # Nearly all of them may have a fraction, and each would make its neighbours be looked at again.
        aside = [index for index, value in enumerate(values) if value and FRACTION.search(value)]
        left = list(values)
        for index in aside:
            left[index] = b"{}"
        fields, others = parse_plain(left, limits, self._rules)
        return fields, sorted({*aside, *others})

    def parse_strict(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        """The same as `parse`, by checking every token.

        Raises:
            RejectedError: see `parse`.
        """
        if value is None:
            raise RejectedError(RejectReason.TOMBSTONE, "the value is null (a tombstone)")
        if len(value) > limits.value_bytes:
            raise RejectedError(
                RejectReason.TOO_LARGE, f"the value has {len(value)} bytes; the limit is {limits.value_bytes}"
            )
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            said = f"byte {error.start} is not UTF-8: {error.reason}"
            raise RejectedError(RejectReason.NOT_UTF8, _with_guess(value, said)) from None
        try:
            decoded: Any = self._decode(text)
        except json.JSONDecodeError as error:
            decoded = self._decode_again(value, text, error, limits)
        except RecursionError:
            raise _too_deep(limits) from None
        fields: dict[str, Any] = decoded if isinstance(decoded, dict) else self._wrapped(decoded)
        if "_id" in fields:
            fields = without_id(fields, self._policies.new_id_name)
        _check_bounds(fields, limits)
        if self._replaces_surrogates and ESCAPED_SURROGATE.search(text):
            _replace_surrogates(fields)
        return fields

    def _decode_again(self, value: bytes, text: str, error: json.JSONDecodeError, limits: Limits) -> Any:
        """What is no JSON as it is: without its byte order mark, if that is why and the policy says so."""
        if not text.strip():
            raise RejectedError(RejectReason.EMPTY, "the value is empty") from None
        if text[0] != MARK:
            said = f"{error.msg} at character {error.pos}"
            raise RejectedError(RejectReason.NOT_JSON, _with_guess(value, said)) from None
        if self._policies.bom != "strip":
            said = "the value begins with a byte order mark, which is not JSON"
            raise RejectedError(RejectReason.NOT_JSON, said, self._remedy_of_mark(text)) from None
        rest = text[1:]
        try:
            return self._decode(rest)
        except json.JSONDecodeError as again:
            if not rest.strip():
                raise RejectedError(RejectReason.EMPTY, "the value is empty behind its byte order mark") from None
            said = f"{again.msg} at character {again.pos} behind the byte order mark"
            raise RejectedError(RejectReason.NOT_JSON, said) from None
        except RecursionError:
            raise _too_deep(limits) from None

    def _remedy_of_mark(self, text: str) -> Remedy | None:
        """None: what is behind the mark is no JSON either."""
        try:
            self._decode(text[1:])
        except (json.JSONDecodeError, RecursionError, RejectedError):
            return None
        return Remedy("bom", "strip")

    def _wrapped(self, value: Any) -> dict[str, Any]:
        if name := self._policies.wrapping_name:
            return {name: value}
        raise RejectedError(
            RejectReason.NOT_AN_OBJECT,
            f"the value is JSON, but no object: {type(value).__name__}",
            Remedy("not_an_object", "wrap:value"),
        )


_JSON = Json()
parse_json = _JSON.parse
"""Without any policy."""
parse_json_strict = _JSON.parse_strict


def _with_guess(value: bytes, said: str) -> str:
    guess = seems_to_be(value)
    return f"{guess}; {said}" if guess else said


def _too_deep(limits: Limits) -> RejectedError:
    return RejectedError(RejectReason.TOO_DEEP, f"nested deeper than {limits.depth} levels")


def _check_bounds(fields: dict[str, Any], limits: Limits) -> None:
    values, depth, level = len(fields), 1, _containers(fields)
    while level:
        depth += 1
        if depth > limits.depth:
            raise _too_deep(limits)
        values += sum(map(len, level))
        level = [below for container in level for below in _containers(container)]
    if values > limits.fields:
        raise RejectedError(RejectReason.TOO_MANY_FIELDS, f"more than {limits.fields} fields and elements")


def _containers(container: dict[str, Any] | list[Any]) -> list[Any]:
    children = container.values() if type(container) is dict else container
    return [child for child in children if type(child) is dict or type(child) is list]


def _replace_surrogates(container: dict[str, Any] | list[Any]) -> None:
    """In all strings, in place; of names see `workers.formats.names`. Args: container: of bounded depth."""
    places: list[Any] = [*container] if isinstance(container, dict) else [*range(len(container))]
    for place in places:
        child = container[place]
        if type(child) is str:
            container[place] = SURROGATES.sub(REPLACEMENT, child)
        elif type(child) is dict or type(child) is list:
            _replace_surrogates(child)
