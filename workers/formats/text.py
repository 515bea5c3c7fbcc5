"""Text: the value as it is, in one field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.formats.plain_json import PLAIN_BYTES
from workers.types import RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.formats.limits import Limits


class Text:
    """The format `text`: UTF-8, of which nothing is left out, not even a byte order mark. See `workers.pipeline.decoder.Format`.

    An empty value is an empty text. A value that is null is a tombstone.
    """

    def __init__(self, field: str) -> None:
        """Args: field: the name of the field."""
        self._field = field

    def parse(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        try:
            return {self._field: within(value, limits).decode("utf-8")}
        except UnicodeDecodeError as error:
            raise RejectedError(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8: {error.reason}") from None

    def parse_plain(self, values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        field, most = self._field, min(limits.value_bytes, PLAIN_BYTES)
        found: list[dict[str, Any]] = []
        others: list[int] = []
        for index, value in enumerate(values):
            try:
                if value is not None and len(value) <= most:
                    found.append({field: value.decode("utf-8")})
                    continue
            except UnicodeDecodeError:
                pass
            others.append(index)
            found.append({})
        return found, others


def within(value: bytes | None, limits: Limits) -> bytes:
    """The value.

    Raises:
        RejectedError: there is none, or it is too large.
    """
    if value is None:
        raise RejectedError(RejectReason.TOMBSTONE, "the value is null (a tombstone)")
    if len(value) > limits.value_bytes:
        raise RejectedError(
            RejectReason.TOO_LARGE, f"the value has {len(value)} bytes; the limit is {limits.value_bytes}"
        )
    return value
