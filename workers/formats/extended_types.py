"""The types of Extended JSON: the value of an object such as `{"$oid": "..."}`, exactly or not at all.

Each form is checked here, and `bson.json_util` is not asked: it takes " 5 " and "1_000" for numbers, and drops the microseconds
of a date, options that it does not know, and characters that are not base64.
"""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from workers.formats.limits import INT64_MAX, INT64_MIN
from workers.formats.numbers import number_parser
from workers.types import RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
OBJECT_ID = re.compile("[0-9a-fA-F]{24}")
BASE64 = re.compile("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
SUBTYPE = re.compile("[0-9a-fA-F]{1,2}")
INTEGER = re.compile(r"-?[0-9]{1,20}")
NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,3}0*)?(Z|[-+][0-9]{2}:[0-9]{2})"
)
FINER = re.compile(r"\.[0-9]{3,}[1-9]")
"""In a date: than a millisecond."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
SPECIAL = ("Infinity", "-Infinity", "NaN")
OPTIONS = {"i": re.IGNORECASE, "l": re.LOCALE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.UNICODE, "x": re.VERBOSE}
"""Of a regular expression, in the order in which BSON has them."""
PARSE_DOUBLE = number_parser("double")
LONGEST_DECIMAL = 200
"""Characters: more digits than any Decimal128 has, with an exponent."""


def malformed(name: str) -> RejectedError:
    return RejectedError(
        RejectReason.NOT_EXTENDED_JSON, f"{name} does not stand as Extended JSON defines it, or has no exact form"
    )


def not_exact(said: str) -> RejectedError:
    return RejectedError(RejectReason.NOT_EXTENDED_JSON, said)


def _matched(pattern: re.Pattern[str], text: Any) -> str:
    if type(text) is not str or not pattern.fullmatch(text):
        raise ValueError
    return text


def _object_id(text: Any) -> ObjectId:
    return ObjectId(_matched(OBJECT_ID, text))


def _int32(text: Any) -> int:
    number = int(_matched(INTEGER, text))
    if not -(2**31) <= number < 2**31:
        raise RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "a $numberInt needs more than 32 bits")
    return number


def _int64(text: Any) -> Int64:
    if type(text) is str and len(text) > 20 and re.fullmatch("-?[0-9]+", text):
        raise RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "a $numberLong needs more than 64 bits")
    number = int(_matched(INTEGER, text))
    if not INT64_MIN <= number <= INT64_MAX:
        raise RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "a $numberLong needs more than 64 bits")
    return Int64(number)


def _double(text: Any) -> float:
    return float(text if text in SPECIAL else PARSE_DOUBLE(_matched(NUMBER, text)))


def _decimal(text: Any) -> Decimal128:
    if text not in SPECIAL and len(_matched(NUMBER, text)) > LONGEST_DECIMAL:
        raise RejectedError(RejectReason.NUMBER_OUT_OF_RANGE, "a $numberDecimal has too many digits for 128 bits")
    try:
        return Decimal128(text)
    except ArithmeticError:
        raise RejectedError(
            RejectReason.NUMBER_OUT_OF_RANGE, "a $numberDecimal has no exact form in 128 bits: at most 34 digits"
        ) from None


def _date(date: Any) -> DatetimeMS:
    """Of a text, or of milliseconds, which are {"$numberLong": "..."} in version 2."""
    if isinstance(date, int) and type(date) is not bool:
        return DatetimeMS(int(date))
    if type(date) is str and FINER.search(date):
        raise not_exact("a $date is finer than a millisecond, which a document cannot hold")
    return DatetimeMS((datetime.fromisoformat(_matched(DATE, date)) - EPOCH) // MILLISECOND)


def _binary(binary: Any) -> Binary | bytes:
    if type(binary) is not dict or binary.keys() != {"base64", "subType"}:
        raise TypeError
    return _bytes(binary["base64"], binary["subType"])


def _bytes(base64: Any, subtype: Any) -> Binary | bytes:
    content = b64decode(_matched(BASE64, base64))
    number = int(_matched(SUBTYPE, subtype), 16)
    return Binary(content, number) if number else content


def _uuid(text: Any) -> Binary:
    return Binary(bytes.fromhex(_matched(UUID, text).replace("-", "")), 4)


def _timestamp(timestamp: Any) -> Timestamp:
    if type(timestamp) is not dict or timestamp.keys() != {"t", "i"}:
        raise TypeError
    seconds, count = timestamp["t"], timestamp["i"]
    if type(seconds) is not int or type(count) is not int or not (0 <= seconds < 2**32 and 0 <= count < 2**32):
        raise ValueError
    return Timestamp(seconds, count)


def _expression(expression: Any) -> Regex[str]:
    if type(expression) is not dict or expression.keys() != {"pattern", "options"}:
        raise TypeError
    pattern, options = expression["pattern"], expression["options"]
    # BSON has the options in this order, each once, and a pattern ends with a NUL.
    if type(pattern) is not str or "\0" in pattern or [each for each in OPTIONS if each in options] != [*options]:
        raise ValueError
    return Regex(_text(pattern), sum(OPTIONS[each] for each in options))


def _code(code: Any) -> Code:
    return Code(_text(code))


def _text(text: Any) -> str:
    if type(text) is not str:
        raise TypeError
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RejectedError(RejectReason.BAD_STRING, "a string holds half of a surrogate pair") from None
    return text


def _one(kind: Callable[[], Any]) -> Callable[[Any], Any]:
    def make(one: Any) -> Any:
        if type(one) is not int or one != 1:
            raise ValueError
        return kind()

    return make


TYPES: dict[frozenset[str], Callable[[Any], Any]] = {
    frozenset({"$oid"}): _object_id,
    frozenset({"$numberInt"}): _int32,
    frozenset({"$numberLong"}): _int64,
    frozenset({"$numberDouble"}): _double,
    frozenset({"$numberDecimal"}): _decimal,
    frozenset({"$date"}): _date,
    frozenset({"$binary"}): _binary,
    frozenset({"$binary", "$type"}): lambda fields: _bytes(fields["$binary"], fields["$type"]),
    frozenset({"$uuid"}): _uuid,
    frozenset({"$timestamp"}): _timestamp,
    frozenset({"$regularExpression"}): _expression,
    frozenset({"$code"}): _code,
    frozenset({"$minKey"}): _one(MinKey),
    frozenset({"$maxKey"}): _one(MaxKey),
}
"""By the names of the object: what makes the value of its content, or of the object where it has several."""
NAMES = {name for names in TYPES for name in names} | {
    "$scope",
    "$ref",
    "$symbol",
    "$undefined",
    "$dbPointer",
    "$regex",
    "$options",
    "$id",
    "$db",
}
"""Also those of types that are deprecated and that the driver cannot write, and of version 1 where they may be a query."""
