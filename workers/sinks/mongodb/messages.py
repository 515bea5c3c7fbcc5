"""What a server said, for logs and dead letters: its code, the code's name and its labels, and its message in one line
without payload; and how long it asks to wait.

A server may quote the document in its message: the duplicate value, what a validator refused, a field's name. So what
stands in quotes, braces and brackets is cut out, then every number of four digits and more, and every word and number
that the document itself has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import bson
from bson.decimal128 import Decimal128
from pymongo.errors import OperationFailure, PyMongoError

from workers.sinks.mongodb.codes import RECORD, UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bson.raw_bson import RawBSONDocument

SHOWN_CHARACTERS = 200
MOST_RETRY_AFTER_SECONDS = 30.0
"""A longer one is cut, so that a server's mistake stops a worker for no longer than any outage does."""
CUT = "..."
GROUP = re.compile(r"\{.*\}|\[.*\]|\"[^\"]*\"|`[^`]*`|(?<!\w)'[^']*'(?!\w)|[\[{\"`].*$", re.DOTALL)
"""What stands in braces, brackets or quotes; to the end where nothing closes it. An apostrophe within a word is none."""
WORD = re.compile(r"[^\W_]{3,}")
SHORTEST_PART = 5
LONG_NUMBER = re.compile(r"\d{4,}")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
DELAY = re.compile(
    r"retry[\s_-]*after(?P<in_name>[\s_-]*ms)?[\s:=\"']*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)", re.IGNORECASE
)
DELAY_FIELDS = ("retryAfterMS", "retryAfterMs", "RetryAfterMs", "baseBackoffMS")
"""Fields of an answer that hold milliseconds. The last is MongoDB's: the shortest backoff after an overload."""


def one_line(text: str) -> str:
    """A text in one line that can be printed, short enough for a log line and a dead letter."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:SHOWN_CHARACTERS]


def without_payload(message: str, document: RawBSONDocument | None = None) -> str:
    """A server's message in one line, without what it may have quoted.

    Args: document: the one that the message is about; its id is no payload. None: of a whole command.
    """
    text = LONG_NUMBER.sub(CUT, GROUP.sub(CUT, message))
    if document is not None:
        raw = bytes(document.raw)
        content = raw[_after_id(raw) :]
        text = WORD.sub(lambda word: CUT if _has_word(content, word[0]) else word[0], text)
        if NUMBER.search(text):
            numbers = set(_numbers(bson.decode(raw)))
            text = NUMBER.sub(lambda number: CUT if number[0] in numbers else number[0], text)
    return one_line(text)


def describe_failure(code: object, message: object, document: RawBSONDocument | None = None) -> str:
    """What a server answered for one document, in one line: `code 16500: request rate is large`."""
    said = without_payload(str(message or ""), document)
    return f"code {code}: {said}" if said else f"code {code}"


def describe_error(error: PyMongoError) -> str:
    """An error of a whole command, in one line: its code, name, labels and message.

    Never the error's own text: the driver puts the whole answer into it, and that may hold documents.
    """
    if not isinstance(error, OperationFailure):
        details = getattr(error, "details", None)
        if isinstance(details, dict) and "code" in details:
            return _command(details, details["code"])
        return one_line(str(error)) or type(error).__name__
    return _command(error.details or {}, error.code)


def retry_after(answer: Mapping[str, Any] | None, message: str = "") -> float:
    """Seconds that the server asks to wait before the next attempt; 0: it did not say.

    Args: answer: to a command, or for one document of it. message: its text, if it is not the answer's `errmsg`.
    """
    answer = answer or {}
    info = answer.get("errInfo")
    waits = [
        max(0.0, float(each[name]) / 1000)
        for each in (answer, info if isinstance(info, dict) else {})
        for name in DELAY_FIELDS
        if isinstance(each.get(name), int | float)
    ]
    if found := DELAY.search(message or str(answer.get("errmsg", ""))):
        in_seconds = not found["in_name"] and found["unit"].lower() in ("s", "sec", "second", "seconds")
        waits.append(float(found["number"]) / (1 if in_seconds else 1000))
    return min(MOST_RETRY_AFTER_SECONDS, max(waits, default=0.0))


def _command(details: Mapping[str, Any], code: int | None) -> str:
    name = details.get("codeName") or (UNAVAILABLE[code].name if code in UNAVAILABLE else RECORD.get(code or 0, ""))
    labels = details.get("errorLabels")
    more = [one_line(str(name))] if name else []
    if isinstance(labels, list) and labels:
        more.append("labels " + " ".join(one_line(str(label)) for label in labels))
    about = f"code {code} ({', '.join(more)})" if more else f"code {code}"
    said = without_payload(str(details.get("errmsg", "")))
    return f"{about}: {said}" if said else about


def _numbers(value: Any) -> Iterator[str]:
    """The numbers of a document, as text, without their sign."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield str(abs(value))
    elif isinstance(value, Decimal128):
        yield str(value).removeprefix("-")


def _has_word(content: bytes, word: str) -> bool:
    """Whether BSON has this word, or a longer one that begins with it: a server may cut what it quotes."""
    wanted = word.encode()
    at = content.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not _is_word(content[at - 1 : at]) and (len(word) >= SHORTEST_PART or not _is_word(content[end : end + 1])):
            return True
        at = content.find(wanted, end)
    return False


def _is_word(byte: bytes) -> bool:
    return byte.isalnum() or byte >= b"\x80" or byte == b"_"


def _after_id(raw: bytes) -> int:
    """Where a document's fields begin behind its `_id`, the first field, which is a string: see `encode`."""
    if raw[4:9] != b"\x02_id\x00":
        return 4
    return 13 + int.from_bytes(raw[9:13], "little")
