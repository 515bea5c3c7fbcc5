"""The numbers of JSON: exactly what was sent, as a policy says, or a reject."""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import TYPE_CHECKING

from workers.formats.limits import INT64_MAX, INT64_MIN
from workers.types import RejectedError, RejectReason, Remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    Integer = int | float | str | Decimal

INT64_DIGITS = 20
INFINITY = float("inf")
DECIMAL128 = Context(prec=34, Emin=-6143, Emax=6144, clamp=1, traps=[InvalidOperation, Overflow, Inexact])
"""The format of IEEE 754 with 34 digits: whatever it cannot hold exactly raises an error."""


def integer_parser(big_integers: str) -> Callable[[str], Integer]:
    """From the digits of an integer to its value, or a `RejectedError`. Args: big_integers: the policy."""
    parsers: dict[str, Callable[[str], Integer]] = {"decimal128": _big_decimal, "double": _big_double, "string": str}
    if (big := parsers.get(big_integers)) is None:
        return _integer

    def parse(digits: str) -> Integer:
        return int(digits) if _fits(digits) else big(digits)

    return parse


def number_parser(decimals: str) -> Callable[[str], float | Decimal]:
    """The same of a number with a fraction or an exponent. Args: decimals: the policy."""
    return _decimal if decimals == "decimal128" else _double


def constant_parser(nan: str) -> Callable[[str], float | None]:
    """The same of NaN, Infinity and -Infinity. Args: nan: the policy."""
    parsers: dict[str, Callable[[str], float | None]] = {"double": float, "null": _null}
    return parsers.get(nan, _no_constant)


def exact_decimal(digits: str) -> Decimal | None:
    """The number as Decimal128 can hold it; None: it cannot, exactly."""
    try:
        return DECIMAL128.create_decimal(digits)
    except DecimalException:
        return None


def _fits(digits: str) -> bool:
    return len(digits) <= INT64_DIGITS and INT64_MIN <= int(digits) <= INT64_MAX


def _integer(digits: str) -> int:
    if len(digits) <= INT64_DIGITS:
        number = int(digits)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    remedy = Remedy("big_integers", "string" if exact_decimal(digits) is None else "decimal128")
    raise RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "an integer needs more than 64 bits", remedy)


def _big_decimal(digits: str) -> Decimal:
    if (number := exact_decimal(digits)) is None:
        raise RejectedError(
            RejectReason.INTEGER_OUT_OF_RANGE, "an integer has more than 34 digits", Remedy("big_integers", "string")
        )
    return number


def _big_double(digits: str) -> float:
    number = float(digits)
    if abs(number) == INFINITY:
        raise RejectedError(
            RejectReason.INTEGER_OUT_OF_RANGE,
            "an integer is outside the range of a double",
            Remedy("big_integers", "string"),
        )
    return number


def _double(digits: str) -> float:
    number = float(digits)
    # A JSON number means its nearest double; rounding to 0 or infinity would change the value.
    if number in (INFINITY, -INFINITY) or (
        number == 0 and any(digit in "123456789" for digit in digits.lower().partition("e")[0])
    ):
        remedy = None if exact_decimal(digits) is None else Remedy("decimals", "decimal128")
        raise RejectedError(RejectReason.NUMBER_OUT_OF_RANGE, "a number is outside the range of a double", remedy)
    return number


def _decimal(digits: str) -> Decimal:
    if (number := exact_decimal(digits)) is None:
        raise RejectedError(
            RejectReason.NUMBER_OUT_OF_RANGE, "a number has more than 34 digits, or an exponent that is out of range"
        )
    return number


def _no_constant(name: str) -> float:
    raise RejectedError(RejectReason.NOT_JSON, f"{name} is not JSON", Remedy("nan", "double"))


def _null(_name: str) -> None:
    return None
