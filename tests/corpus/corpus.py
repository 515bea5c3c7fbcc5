"""Bad and borderline values, as the bytes that arrive, each with its verdict. One table, for unit and integration tests.

The numbers are those of the corpus in the project's reference on reliability. `reason` None: the value is stored, exactly as
it was sent. The rule: what a document can hold exactly is stored; what would change, is ambiguous, or what a server
would refuse, is a dead letter.
"""

from __future__ import annotations

from typing import NamedTuple

from workers.types import RejectReason


class Case(NamedTuple):
    """One value. `kept` is what is stored of it, without `_id`; only where it is accepted."""

    row: int
    name: str
    value: bytes | None
    reason: RejectReason | None
    kept: object = None

    def __str__(self) -> str:
        return f"{self.row}-{self.name.replace(' ', '-')}"


def _nested(depth: int) -> bytes:
    """An object with so many levels, itself included."""
    return b'{"n":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


REJECTED = [
    Case(1, "tombstone", None, RejectReason.TOMBSTONE),
    Case(2, "no bytes", b"", RejectReason.EMPTY),
    Case(3, "white space", b"  \n", RejectReason.EMPTY),
    Case(4, "plain text", b"hello", RejectReason.NOT_JSON),
    Case(5, "cut off", b'{"n": 1', RejectReason.NOT_JSON),
    Case(6, "text behind", b'{"n":1} x', RejectReason.NOT_JSON),
    Case(6, "two objects", b'{"n":1}{"n":2}', RejectReason.NOT_JSON),
    Case(7, "bare number", b"42", RejectReason.NOT_AN_OBJECT),
    Case(8, "null", b"null", RejectReason.NOT_AN_OBJECT),
    Case(8, "true", b"true", RejectReason.NOT_AN_OBJECT),
    Case(8, "bare string", b'"5"', RejectReason.NOT_AN_OBJECT),
    Case(9, "array", b"[1,2]", RejectReason.NOT_AN_OBJECT),
    Case(11, "byte order mark", b'\xef\xbb\xbf{"n":1}', RejectReason.NOT_JSON),
    Case(11, "byte order mark alone", b"\xef\xbb\xbf", RejectReason.NOT_JSON),
    Case(12, "utf-16 with mark", '{"n":1}'.encode("utf-16"), RejectReason.NOT_UTF8),
    Case(12, "utf-16 without mark", '{"n":1}'.encode("utf-16-le"), RejectReason.NOT_JSON),
    Case(13, "utf-32", '{"n":1}'.encode("utf-32"), RejectReason.NOT_UTF8),
    Case(14, "bytes that are no text", b'{"n":"\xff\xfe"}', RejectReason.NOT_UTF8),
    Case(15, "overlong utf-8", b'{"n":"\xc0\xaf"}', RejectReason.NOT_UTF8),
    Case(16, "cp1252", b'{"n":"\x93x\x94"}', RejectReason.NOT_UTF8),
    Case(17, "half a surrogate pair", rb'{"n":"\ud800"}', RejectReason.BAD_STRING),
    Case(17, "half a surrogate pair in a name", rb'{"\ud800":1}', RejectReason.BAD_STRING),
    Case(17, "two names of half a pair", rb'{"\ud800":1,"\udc00":2}', RejectReason.BAD_STRING),
    Case(17, "surrogate in utf-8", b'{"n":"\xed\xa0\x80"}', RejectReason.NOT_UTF8),
    Case(19, "control character", b'{"n":"\x01"}', RejectReason.NOT_JSON),
    Case(19, "raw NUL", b'{"n":"\x00"}', RejectReason.NOT_JSON),
    Case(20, "NaN", b'{"n":NaN}', RejectReason.NOT_JSON),
    Case(21, "Infinity", b'{"n":Infinity}', RejectReason.NOT_JSON),
    Case(21, "-Infinity", b'{"n":-Infinity}', RejectReason.NOT_JSON),
    Case(21, "overflows to infinity", b'{"n":1e400}', RejectReason.NUMBER_OUT_OF_RANGE),
    Case(23, "underflows to zero", b'{"n":1e-400}', RejectReason.NUMBER_OUT_OF_RANGE),
    Case(26, "2**63", b'{"n":9223372036854775808}', RejectReason.INTEGER_OUT_OF_RANGE),
    Case(26, "34 digits in an integer", b'{"n":%s}' % (b"9" * 34), RejectReason.INTEGER_OUT_OF_RANGE),
    Case(26, "35 digits in an integer", b'{"n":%s}' % (b"9" * 35), RejectReason.INTEGER_OUT_OF_RANGE),
    Case(27, "-2**63-1", b'{"n":-9223372036854775809}', RejectReason.INTEGER_OUT_OF_RANGE),
    Case(30, "4300 digits", b'{"n":%s}' % (b"9" * 4300), RejectReason.INTEGER_OUT_OF_RANGE),
    Case(31, "4301 digits", b'{"n":%s}' % (b"9" * 4301), RejectReason.INTEGER_OUT_OF_RANGE),
    Case(32, "leading zeros", b'{"n":007}', RejectReason.NOT_JSON),
    Case(32, "leading plus", b'{"n":+1}', RejectReason.NOT_JSON),
    Case(32, "hexadecimal", b'{"n":0x10}', RejectReason.NOT_JSON),
    Case(32, "leading dot", b'{"n":.5}', RejectReason.NOT_JSON),
    Case(35, "comma at the end", b'{"n":1,}', RejectReason.NOT_JSON),
    Case(35, "single quotes", b"{'n':1}", RejectReason.NOT_JSON),
    Case(35, "comment", b'{"n":1/*x*/}', RejectReason.NOT_JSON),
    Case(35, "name twice", b'{"n":1,"n":2}', RejectReason.DUPLICATE_FIELD),
    Case(35, "name twice inside", rb'{"a":[{"n":1,"\u006e":2}]}', RejectReason.DUPLICATE_FIELD),
    Case(36, "operator", b'{"$set":{"n":1}}', RejectReason.BAD_FIELD_NAME),
    Case(37, "operator inside", b'{"n":{"$gt":""}}', RejectReason.BAD_FIELD_NAME),
    Case(38, "dot in a name", b'{"a.b":1}', RejectReason.BAD_FIELD_NAME),
    Case(38, "dot in a name inside", b'{"a":[{"b.c":1}]}', RejectReason.BAD_FIELD_NAME),
    Case(38, "names that differ in a dot", b'{"a.b":1,"a_b":2}', RejectReason.BAD_FIELD_NAME),
    Case(38, "empty name", b'{"":1}', RejectReason.BAD_FIELD_NAME),
    Case(38, "NUL in a name", rb'{"a\u0000b":1}', RejectReason.BAD_FIELD_NAME),
    Case(39, "chooses its id", b'{"_id":"evil","n":1}', RejectReason.RESERVED_FIELD),
    Case(39, "an id, and a field id", b'{"_id":1,"id":2}', RejectReason.RESERVED_FIELD),
    Case(41, "depth 33", _nested(33), RejectReason.TOO_DEEP),
    Case(41, "depth 100", _nested(100), RejectReason.TOO_DEEP),
    Case(41, "depth 200", _nested(200), RejectReason.TOO_DEEP),
    Case(41, "depth 900", _nested(900), RejectReason.TOO_DEEP),
    Case(41, "depth 200,000", _nested(200_000)[:1_000_000], RejectReason.TOO_DEEP),
    Case(41, "arrays without end", b'{"n":' + b"[" * 500_000, RejectReason.TOO_DEEP),
    Case(42, "17 MiB", b'{"n":"%s"}' % (b"x" * (17 << 20)), RejectReason.TOO_LARGE),
    Case(43, "a million integers", b'{"n":[%s]}' % b",".join([b"12"] * 1_000_000), RejectReason.TOO_LARGE),
    Case(43, "300,000 integers", b'{"n":[%s]}' % b",".join([b"1"] * 300_000), RejectReason.TOO_MANY_FIELDS),
    Case(44, "200,000 keys", b"{%s}" % b",".join(b'"k%d":1' % n for n in range(200_000)), RejectReason.TOO_LARGE),
    Case(44, "50,000 keys", b"{%s}" % b",".join(b'"k%d":1' % n for n in range(50_000)), RejectReason.TOO_MANY_FIELDS),
    Case(47, "schema registry frame", b"\0\0\0\0\x07\x0242", RejectReason.NOT_JSON),
    Case(48, "gzip", b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\xabV\xca", RejectReason.NOT_UTF8),
]

ACCEPTED = [
    Case(0, "the tutorial's", b'{"number": 7}', None, {"number": 7}),
    Case(0, "white space around", b' \t\r\n{"n":1}\n', None, {"n": 1}),
    Case(10, "no field", b"{}", None, {}),
    Case(10, "another case", b'{"N":1}', None, {"N": 1}),
    Case(18, "escaped NUL in a string", rb'{"n":"a\u0000b"}', None, {"n": "a\0b"}),
    Case(22, "smallest double", b'{"n":5e-324}', None, {"n": 5e-324}),
    Case(23, "a zero with an exponent", b'{"n":0e-999}', None, {"n": 0.0}),
    Case(24, "minus zero", b'{"n":-0}', None, {"n": 0}),
    Case(24, "minus zero, a double", b'{"n":-0.0}', None, {"n": -0.0}),
    Case(25, "2**63-1", b'{"n":9223372036854775807}', None, {"n": 2**63 - 1}),
    Case(25, "-2**63", b'{"n":-9223372036854775808}', None, {"n": -(2**63)}),
    Case(28, "2**53+1", b'{"n":9007199254740993}', None, {"n": 9007199254740993}),
    Case(29, "31 digits", b'{"n":0.1000000000000000055511151231257}', None, {"n": 0.1}),
    Case(29, "largest double", b'{"n":1.7976931348623157e308}', None, {"n": 1.7976931348623157e308}),
    Case(29, "money", b'{"n":19.90}', None, {"n": 19.9}),
    Case(29, "35 digits", b'{"n":0.12345678901234567890123456789012345}', None, {"n": 0.12345678901234568}),
    Case(33, "a boolean", b'{"n":true}', None, {"n": True}),
    Case(34, "a string", b'{"n":"12"}', None, {"n": "12"}),
    Case(38, "percent sign in a name", b'{"50%":1}', None, {"50%": 1}),
    Case(39, "an id inside", b'{"n":{"_id":"x"}}', None, {"n": {"_id": "x"}}),
    Case(40, "array in an array", b'{"n":[[1]]}', None, {"n": [[1]]}),
    Case(41, "depth 32", _nested(32), None),
    Case(46, "forged log line", rb'{"n":"x\nERROR root: fake"}', None, {"n": "x\nERROR root: fake"}),
    Case(46, "terminal escape", rb'{"n":"\u001b[2J"}', None, {"n": "\x1b[2J"}),
    Case(46, "writing direction", rb'{"n":"\u202e"}', None, {"n": "\u202e"}),
    Case(46, "emoji as a pair of escapes", rb'{"n":"\ud83d\ude00"}', None, {"n": "\U0001f600"}),
    Case(46, "emoji", '{"n":"\U0001f600"}'.encode(), None, {"n": "\U0001f600"}),
]

CORPUS = REJECTED + ACCEPTED
REFUSED_BY_FERRETDB = {"40-array-in-an-array"}
"""What MongoDB stores and FerretDB 1 answers with an error: a dead letter there."""
