"""Header keys that are not UTF-8.

Kafka's protocol calls a header's key a string, and its brokers take any bytes. The client raises on them out of `poll`,
for the whole batch and for ever, so that one such record would stop its partition. Read it all the same: what is not
UTF-8 is shown as escapes, and the record is judged by its value like any other.
"""

from __future__ import annotations

from typing import Any

from kafka.record.default_records import DefaultRecordBatch


class _Bytes(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _Buffer(bytearray):
    """Its parts decode whatever they hold."""

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _Bytes(part) if isinstance(key, slice) else part


def tolerate() -> None:
    """Change the client so, in this process. tests/integration/test_client_canary.py watches what it relies on."""
    strict = DefaultRecordBatch._read_msg
    if strict.__module__ == __name__:
        return

    def read(batch: Any) -> Any:
        try:
            return strict(batch)
        except UnicodeDecodeError:
            # Nothing was taken: the batch moves on only when a record is whole.
            batch._buffer = _Buffer(batch._buffer)
            return strict(batch)

    DefaultRecordBatch._read_msg = read
