"""Bytes: the value as it is, whatever it is, in one field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.formats.plain_json import PLAIN_BYTES
from workers.formats.text import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.formats.limits import Limits


class Binary:
    """The format `bytes`. See `workers.pipeline.decoder.Format`. A value that is null is a tombstone."""

    def __init__(self, field: str) -> None:
        """Args: field: the name of the field."""
        self._field = field

    def parse(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        return {self._field: within(value, limits)}

    def parse_plain(self, values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        field, most = self._field, min(limits.value_bytes, PLAIN_BYTES)
        others = [index for index, value in enumerate(values) if value is None or len(value) > most]
        if not others:
            return [{field: value} for value in values], others
        left_out = set(others)
        return [{} if index in left_out else {field: value} for index, value in enumerate(values)], others
