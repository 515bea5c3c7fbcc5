"""The plain way beside the strict way, byte for byte, for many values at once; and faults in it, each of which is caught."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bson
import pytest

from tests.corpus.corpus import CORPUS
from tests.support.batches import TOPIC, decoder, reader, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.formats import plain_json as module
from workers.formats.json import parse_json_strict
from workers.formats.limits import Limits
from workers.sinks.mongodb import encoding
from workers.types import Fetched, Insert, RejectedError

LIMITS = Limits(value_bytes=2_000, depth=5, fields=40)
SEED = 17
GROUPS = 2_000
PREFIX = TOPIC.partition_prefix(0)
Parse = Callable[[Sequence[bytes | None], Limits], tuple[list[dict[str, Any]], list[int]]]

NUMBERS = [
    "0", "-0", "7", "-7", "1.5", "-0.0", "0.1", "1e5", "1E+2", "1e-3", "123456789012345678", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
    "-18446744073709551616", "9e18", "1e19", "1e-300", "1e-301", "1e-400", "1e308", "1e309", "4.9e-324", "0.30000000000000004",
    "123456789012345678901234567890", "9007199254740993.0", "-1e-400", "1E-400", "0." + "0" * 330 + "1", "00", "+1", "1.", ".5", "1e",
]  # fmt: skip
NAMES = [
    "a",
    "b",
    "name",
    "with space",
    "\u00e9",
    "",
    "$set",
    "a$",
    "a.b",
    ".",
    "_id",
    "__",
    "9",
    "caf\u00e9.x",
    "\u4e2d",
]
STRINGS = ["", "x", "text", "\u00e9\u4e2d\U0001f600", "[1]", "{", ":", ",", "$", "a.b", "true", "1e400", " "]
JUNK = ["NaN", "Infinity", "nul", "True", "'x'", "/*x*/1", "[1,]", "{,}", "\ufeff1"]


def value(chance: random.Random, depth: int = 0) -> str:
    """JSON of almost anything, with whatever is known to be difficult; sometimes no JSON."""
    kind = chance.random()
    if depth > 6 or kind < 0.3:
        return chance.choice(NUMBERS[:20] if chance.random() < 0.9 else NUMBERS)
    if kind < 0.5:
        return f'"{chance.choice(STRINGS)}"'
    if kind < 0.6:
        return chance.choice(["true", "false", "null"])
    if kind < 0.61:
        return chance.choice(JUNK)
    if kind < 0.8:
        return (
            "["
            + ", ".join(value(chance, depth + 1) for _ in range(chance.choice([0, 1, 2, 3, 45]) if depth < 3 else 1))
            + "]"
        )
    return an_object(chance, depth + 1)


def an_object(chance: random.Random, depth: int = 0) -> str:
    names = [
        chance.choice(NAMES[:5] if chance.random() < 0.8 else NAMES) for _ in range(chance.choice([0, 1, 2, 3, 4]))
    ]
    if chance.random() < 0.8:
        names = [*dict.fromkeys(names)]
    space = " " * chance.randrange(2)
    return "{" + ",".join(f'{space}"{name}"{space}:{value(chance, depth + 1)}' for name in names) + "}"


def record(chance: random.Random) -> bytes | None:
    kind = chance.random()
    if kind < 0.02:
        return None
    if kind < 0.04:
        return chance.choice(
            [b"", b" ", b"[]", b"1", b'"x"', b"{}{}", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a":"\x00"}']
        )
    if kind < 0.06:
        return chance.choice(
            [
                b'{"a":[-1e-400,0]}',
                b'{"a":[1E-400]}',
                b'{"a": "\\\\"}',
                b'{"a": "\\ud800"}',
                b'{"a\\u0000": 1}',
                b'{"\\u005fid": 1}',
                b'{"a": "\\n"}',
            ]
        )
    if kind < 0.08:
        return b'{"n": "%s"}' % (b"x" * chance.randrange(1_970, 2_010))
    if kind < 0.10:
        depth = chance.randrange(2, 9)
        return b'{"n": %s%s}' % (b"[" * depth, b"]" * depth)
    if kind < 0.13:
        return b'{"n": [%s]}' % b",".join([b"0"] * chance.randrange(35, 45))
    if kind < 0.5:
        return b'{"number": %d}' % chance.randrange(10**6)
    return an_object(chance).encode()


def groups() -> list[list[bytes | None]]:
    """As many values as a poll may return, or fewer; most of them with one that is difficult among plain ones."""
    chance = random.Random(SEED)
    found: list[list[bytes | None]] = [[case.value for case in CORPUS]]
    found += ([record(chance)] for _ in range(4 * GROUPS))
    found += ([record(chance) for _ in range(chance.randrange(2, 12))] for _ in range(GROUPS))
    plain = b'{"number": 7, "text": "x", "list": [{"n": 1.5}]}'
    found += (
        [plain] * chance.randrange(300) + [record(chance)] + [plain] * chance.randrange(300)
        for _ in range(GROUPS // 20)
    )
    return found


@pytest.fixture(scope="module")
def inputs() -> list[list[bytes | None]]:
    return groups()


def strict(each: bytes | None) -> bytes | None:
    """What the strict way stores; None: it does not."""
    try:
        return bytes(encoding.encode(f"{PREFIX}0", parse_json_strict(each, LIMITS)).raw)
    except RejectedError:
        return None


def first_difference(
    parse: Parse, encode_plain: Callable[..., list[Any]], inputs: Sequence[Sequence[bytes | None]]
) -> bytes | None:
    """The first value that the plain way takes, and the strict way reads otherwise or not at all."""
    known: dict[bytes | None, bytes | None] = {}
    for values in inputs:
        found, others = parse(values, LIMITS)
        assert len(found) == len(values)
        documents = encode_plain(PREFIX, [0] * len(values), found)
        for index, each in enumerate(values):
            if each not in known:
                known[each] = strict(each)
            if index not in others and bytes(encoding.as_raw(documents[index]).raw) != known[each]:
                return each or b"a tombstone"
    return None


def test_what_the_plain_way_takes_the_strict_way_stores_byte_for_byte(inputs):
    assert first_difference(module.parse_plain, encoding.encode_plain, inputs) is None


def test_it_takes_most_of_what_is_plain_and_so_it_is_worth_it(inputs):
    taken = good = 0
    for values in inputs:
        others = set(module.parse_plain(values, LIMITS)[1])
        for index, each in enumerate(values):
            if strict(each) is not None:
                good += 1
                taken += index not in others
    # Beside what is not plain, a few go the strict way with it.
    assert taken > 0.85 * good


def test_a_batch_is_what_its_records_are_one_by_one(inputs):
    """Through the reader: documents, rejects and their order."""
    reads, decodes = reader(LIMITS), decoder(LIMITS)
    for values in inputs[-200:]:
        records = [FakeRecord(0, 3 * number, each) for number, each in enumerate(values)]
        part = reads.read(Fetched({TOPIC.name: TOPIC}, {tp(): ListedRecords(records)})).partitions[tp()]
        alone = [decodes.decode(f"{PREFIX}{each.offset}", each) for each in records]

        assert part.rejects == [each for each in alone if not isinstance(each, Insert)]
        inserts = [each for each in alone if isinstance(each, Insert)]
        assert [(each.id, each.record) for each in part.operations] == [(each.id, each.record) for each in inserts]
        for ours, other in zip(part.operations, inserts, strict=True):
            assert encoding.as_raw(ours.document).raw == encoding.as_raw(other.document).raw
        assert (part.first_offset, part.next_offset) == (0, records[-1].offset + 1)


SOURCE = Path(module.__file__).read_text()
FAULTS = {
    "backslashes are not looked for": ('if b"\\\\" in text:', "if False:"),
    "backslashes are not looked for in one value": (' or b"\\\\" in value:', ":"),
    "the size of one value is not looked at": (" or len(value) > min(limits.value_bytes, PLAIN_BYTES)", ""),
    "one value that is no object is taken": ("fields if type(fields) is dict else None", "fields"),
    "an underflow is zero": (" and (min(sizes) > 0 or not _may_underflow(text))", ""),
    "zeros are not looked for": ("return MANY_ZEROS in text or (", "return ("),
    "an exponent is not looked for": ("bool(NEGATIVE_EXPONENT.search(text))", "False"),
    "a large exponent is not looked for": ("""(b"e-" in text or b"E-" in text)""", """b"e-" in text"""),
    "a negative number is not looked at": (r"[:,[\s]-?", r"[:,[\s]"),
    "a number in an array is not looked at": (r"[:,[\s]-?", r"[:,\s]-?"),
    "the size of a value is not looked at": ("if longest > min(limits.value_bytes, most_bytes) or", "if"),
    "the limit of size is another": ("longest > min(limits.value_bytes, most_bytes)", "longest > most_bytes"),
    "what is no object is taken": ("{*map(type, found)} == {dict}", "dict in {*map(type, found)}"),
    "names are not looked at": ("if not _are_good(names) or", "if"),
    "only the first names are looked at": ("if not _are_good(names) or", "if (depth == 1 and not _are_good(names)) or"),
    "an empty name is good": ("(name and name[0]", "(not name or name[0]"),
    "a name may begin with a dollar": (' and name[0] != "$"', ""),
    "a name may have a dot": (' and "." not in name', ""),
    "_id is not reserved": (' or (depth == 1 and "_id" in names)', ""),
    "integers are not looked at": ("_are_integers_exact(children, kinds) and ", ""),
    "large integers are taken": ("max(integers) <= INT64_MAX", "True"),
    "doubles are not looked at": (" and _are_doubles_exact(children, kinds, text)", ""),
    "large doubles are taken": ("max(sizes) < MAX_DOUBLE and ", ""),
    "the limit of doubles is too high": ("MAX_DOUBLE = 9e18", "MAX_DOUBLE = 1e20"),
    "quotes are not compared": ("if quotes != text.count(b'\"') or", "if"),
    "fewer quotes are taken": ("if quotes != text", "if quotes > text"),
    "the depth is not compared": (" or depth > limits.depth", ""),
    "objects in arrays are not looked at": ("*chain.from_iterable(arrays)]", "]"),
    "arrays are not looked at": ("if list in kinds else []", "if False else []"),
    "fields are not counted": ("if count > limits.fields and longest > LEAST_BYTES * limits.fields:", "if False:"),
    "fields of a level are forgotten": ("count += len(children)", "count = len(children)"),
    "an element needs more bytes": ("LEAST_BYTES = 2", "LEAST_BYTES = 3"),
    "those beside what is not plain are not looked at": ("_drop_others(found, values, limits, FEWER, rules)", "pass"),
    "the few are not looked at again": ("                some = [None] * len(some)\n", "                pass\n"),
    "what was found of them is forgotten": ("            found[part] = some\n", ""),
    "the place of what is not plain is another": ("first + index for index, fields", "index for index, fields"),
    "what is not plain is not told": ("            others += [", "            [0] * len(others), ["),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_plain_way_is_caught(inputs, fault):
    before, after = FAULTS[fault]
    assert SOURCE.count(before) == 1, "the fault is to be planted anew"
    faulty: dict[str, Any] = {"__name__": "faulty"}
    exec(compile(SOURCE.replace(before, after), "faulty", "exec"), faulty)

    def parse(values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        return faulty["parse_plain"](values, limits)

    try:
        found = first_difference(parse, encoding.encode_plain, inputs)
    except (AssertionError, ValueError, TypeError, RecursionError, bson.errors.BSONError, OverflowError):
        # It ends in an error: nothing is stored.
        return
    assert found is not None


@pytest.mark.parametrize(
    "encode_plain",
    [
        lambda prefix, _offsets, values: [{"_id": prefix, **each} for each in values],
        lambda prefix, offsets, values: [{"_id": f"{prefix}{at}", **dict(sorted(each.items()))} for at, each in zip(offsets, values, strict=True)],
        lambda prefix, offsets, values: [{"_id": f"{prefix}{at}", **each} for at, each in zip(offsets, [{}, *values], strict=False)],
    ],
    ids=["the id without its offset", "fields in another order", "the fields of the neighbour"],
)  # fmt: skip
def test_a_fault_in_the_documents_of_plain_values_is_caught(inputs, encode_plain):
    assert first_difference(module.parse_plain, encode_plain, inputs) is not None


def test_the_generator_makes_what_is_good_and_what_is_not(inputs):
    values = [each for group in inputs for each in group]
    reasons = {str(reason) for reason in map(reason_of, values) if reason}
    assert len(reasons) >= 12, reasons
    assert 0.3 < sum(reason_of(each) is None for each in values[: 4 * GROUPS]) / (4 * GROUPS) < 0.95
    assert json.loads(b"{}") == {}


def reason_of(each: bytes | None) -> str | None:
    try:
        parse_json_strict(each, LIMITS)
    except RejectedError as error:
        return str(error.reason)
    return None
