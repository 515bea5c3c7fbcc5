"""The command by which documents are inserted: one message for as many as the server takes in one.

It is sent as a command, and not by the driver's `insert_many`: that looks at each document once more, and encodes it by itself
first. What `insert_many` would do besides is done here: documents are divided by the server's limits, and its answer is read.
What it would give on a replica set, a retry within the driver, is not missed: decision 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bson.codec_options import CodecOptions
from pymongo.errors import DocumentTooLarge

from workers.errors import RetryReason, SinkUnavailableError
from workers.sinks.mongodb.encoding import as_raw
from workers.sinks.mongodb.messages import describe_failure, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.sinks.mongodb.client import Collections

ANSWER: CodecOptions[dict[str, Any]] = CodecOptions(unicode_decode_error_handler="replace")
"""A server may quote a part of a string in its message, and cut it within a character."""
BSON_PER_JSON = 8
"""As BSON a value is at most so many times as long as it was as JSON, plain or not. The worst is `0,` in an array: two bytes as
JSON; as BSON six and the digits of its index, of which no message has ten. No policy makes it worse: `,1e1` is a Decimal128 with
sixteen bytes, and a character of a name becomes eight at most (`workers.settings.policies.LONGEST_TEXT`)."""
BSON_PER_ELEMENT = 20
"""Or, counted: as BSON it has at most so many bytes more than as JSON for each element. The worst is a number of one digit in an
array: its type, the digits of its index, a NUL and eight bytes. An element follows a comma, or is the first behind a bracket.
Only where nothing is longer, or of a larger type, than it was sent."""
ID_BYTES = 512
"""The `_id` of a document, and what else it has besides its value, is shorter: a topic's name has at most 249 characters."""
ELEMENT_BYTES = 8
"""Of a document's place in the array of documents: its type, and the digits of its index."""
COMMAND_OVERHEAD = 16_000
"""A command may be that much larger than a document: MongoDB takes 16 KiB more, and the driver 16,382 bytes. (The larger messages
that a server takes are those of documents beside a command, which the driver makes for its own `insert_many` only.)"""


class _Limits(NamedTuple):
    """Of the server."""

    document_bytes: int
    message_bytes: int
    documents: int
    """In one message."""

    @property
    def command_bytes(self) -> int:
        return min(self.message_bytes, self.document_bytes + COMMAND_OVERHEAD)


LEAST = _Limits(16 * 1024 * 1024, 2 * 16 * 1024 * 1024, 1_000)
"""What every server takes. The driver assumes as much of one that does not say."""


class InsertCommand:
    """Inserts into the collection of documents."""

    def __init__(self, collections: Collections) -> None:
        self._documents = collections.documents
        self._limits: _Limits | None = None

    def send(
        self,
        documents: Sequence[Any],
        values: Sequence[bytes | None] | None = None,
        *,
        may_grow: bool = False,
        other_bytes: int = 0,
    ) -> list[Mapping[str, Any]]:
        """Insert them, each independent of the others.

        Args:
            values: the JSON, or text, or bytes, that they were made of, if all of it is known.
            may_grow, other_bytes: see `Operations`.

        Returns:
            The failures of single documents, as the server says them; `index` is that of the document.

        Raises:
            DocumentTooLarge: the server takes no document so large. Nothing was sent.
            PyMongoError: the server refused a message as a whole, or it does not answer.
            SinkUnavailableError: the documents are not acknowledged as they must be.
        """
        failures: list[Mapping[str, Any]] = []
        first = 0
        for message in self._messages(documents, values, may_grow=may_grow, other_bytes=other_bytes):
            failures += ({**failure, "index": failure["index"] + first} for failure in self._send(message))
            first += len(message)
        return failures

    def _send(self, documents: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        answer = self._documents.database.command(
            "insert",
            self._documents.name,
            documents=documents,
            ordered=False,
            writeConcern=self._documents.write_concern.document,
            codec_options=ANSWER,
        )
        failures: Sequence[Mapping[str, Any]] = answer.get("writeErrors", ())
        if concern := answer.get("writeConcernError"):
            # Whatever its code: the write may be rolled back. No failure beside it counts.
            said = describe_failure(concern.get("code"), concern.get("errmsg"))
            raise SinkUnavailableError(
                RetryReason.NOT_ACKNOWLEDGED, f"write concern error {said}", retry_after(concern)
            )
        return failures

    def _messages(
        self,
        documents: Sequence[Any],
        values: Sequence[bytes | None] | None,
        *,
        may_grow: bool,
        other_bytes: int,
    ) -> Iterator[Sequence[Any]]:
        limits = self._limits = self._limits or self._ask_limits()
        room = limits.command_bytes - ID_BYTES * (len(documents) + 1) - other_bytes
        if values is not None and len(documents) <= limits.documents and bson_fits(values, room, may_grow=may_grow):
            # Nothing needs to be encoded to know it.
            yield documents
            return
        encoded = [as_raw(document) for document in documents]
        largest = min(limits.document_bytes, limits.command_bytes - ID_BYTES)
        if longest := max((len(each.raw) for each in encoded if len(each.raw) > largest), default=0):
            raise DocumentTooLarge(f"the document has {longest} bytes; the server takes {largest}")
        first, size = 0, ID_BYTES
        for index, each in enumerate(encoded):
            bytes_ = len(each.raw) + ELEMENT_BYTES
            if index > first and (index - first == limits.documents or size + bytes_ > limits.command_bytes):
                yield encoded[first:index]
                first, size = index, ID_BYTES
            size += bytes_
        yield encoded[first:]

    def _ask_limits(self) -> _Limits:
        """As the server has told the driver when it connected."""
        client = self._documents.database.client
        # It has connected then.
        client.admin.command("ping")
        servers = [each for each in client.topology_description.server_descriptions().values() if each.is_writable]
        return _Limits(
            min((each.max_bson_size for each in servers), default=LEAST.document_bytes),
            min((each.max_message_size for each in servers), default=LEAST.message_bytes),
            min((each.max_write_batch_size for each in servers), default=LEAST.documents),
        )


def bson_fits(values: Sequence[bytes | None], room: int, *, may_grow: bool = False) -> bool:
    """Whether these values have, as BSON, certainly no more bytes than there is room."""
    size = sum(map(len, filter(None, values)))
    if BSON_PER_JSON * size <= room:
        return True
    if size > room or may_grow:
        return False
    elements = sum(value.count(b",") + value.count(b"{") + value.count(b"[") for value in values if value)
    return size + BSON_PER_ELEMENT * elements <= room
