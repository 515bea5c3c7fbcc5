"""Names and numbers that a document has not: what each policy makes of them, and that it is the same by both ways."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import unquote

import bson
import pytest
from bson.decimal128 import Decimal128
from hypothesis import example, given
from hypothesis import strategies as st

from tests.corpus.corpus import CORPUS, Case
from tests.corpus.policies import EXPECTED
from tests.support.batches import TOPIC, Encoding
from tests.support.fake_broker import FakeRecord
from tests.unit.formats.test_plain import record
from workers.decoding import open_decoder, policies_of
from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.formats.mistaken import seems_to_be
from workers.formats.names import escape
from workers.formats.plain_json import parse_plain
from workers.formats.plain_names import PlainRules
from workers.formats.policies import NO_POLICY, Policies
from workers.pipeline.decoder import Decoder
from workers.settings import Settings, load
from workers.settings.policies import POLICIES, lossy
from workers.settings.route import Route, RouteTable
from workers.sinks.mongodb.encoding import as_raw, encode_plain
from workers.types import Insert, Reject, RejectedError, RejectReason, Remedy

LIMITS = Limits()
PREFIX = TOPIC.partition_prefix(0)
VALUES = [(policy, value) for policy, values in EXPECTED.items() for value in values]
ANY = [
    {"field_names": "escape", "empty_names": "keep"},
    {"field_names": "replace:_", "id_field": "rename:a"},
    {"field_names": "keep", "surrogates": "replace", "duplicate_names": "last"},
    {"decimals": "decimal128", "big_integers": "decimal128", "not_an_object": "wrap:value"},
    {"big_integers": "string", "nan": "null", "bom": "strip", "id_field": "rename:id", "field_names": "escape"},
    {"big_integers": "double", "nan": "double", "duplicate_names": "last", "field_names": "replace:__", "empty_names": "keep"},
]  # fmt: skip
"""Several at once, as users have them."""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NAMES = st.lists(st.sampled_from([*"ab_.$%\0", "%2E", "%24", "\u00e9"]), max_size=6).map("".join)


def decoded(value: bytes | None, policies: Policies) -> Insert | Reject:
    return Decoder(Json(policies), Encoding(), LIMITS).decode(TOPIC.document_id(3, 42), FakeRecord(3, 42, value))


def outcome(value: bytes | None, policies: Policies) -> object:
    """What is stored, without its id, or the reason why nothing is."""
    found = decoded(value, policies)
    if isinstance(found, Reject):
        return found.reason
    fields = bson.decode(found.document.raw)
    assert fields.pop("_id") == "numtest-08b40071/3/42"
    return fields


def same(one: object, other: object) -> bool:
    """Equal with types, order, every digit of a decimal and the sign of zero; NaN is itself."""
    if isinstance(one, Decimal128):
        one = one.to_decimal()
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return (one == other and math.copysign(1, one) == math.copysign(1, other)) or one != one != other
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one.as_tuple() == other.as_tuple()
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@pytest.mark.parametrize("case", CORPUS, ids=str)
def test_each_payload_becomes_what_its_row_says_under_each_policy(case: Case) -> None:
    without = outcome(case.value, NO_POLICY)
    for policy, value in VALUES:
        found = outcome(case.value, Policies(**{policy: value}))
        assert same(found, EXPECTED[policy][value].get(str(case), without)), f"{policy}={value}: {found}"


def test_every_value_of_every_policy_has_its_rows() -> None:
    assert list(EXPECTED) == list(POLICIES) == list(Policies.__slots__)
    for name, policy in POLICIES.items():
        first, *others = policy.choices
        assert [value.partition(":")[0] for value in EXPECTED[name]] == [each.word for each in others]
        assert getattr(NO_POLICY, name) == first.word == Settings.model_fields[name].default
    known = {str(case) for case in CORPUS}
    assert [case for policy, value in VALUES for case in EXPECTED[policy][value] if case not in known] == []


@pytest.mark.parametrize(("policy", "value"), VALUES)
def test_where_two_payloads_become_one_document_the_policy_is_called_lossy(policy: str, value: str) -> None:
    choice = POLICIES[policy].choice(value)
    stored = [(each, repr(kept)) for each, kept in EXPECTED[policy][value].items() if isinstance(kept, dict)]
    values = {str(case): case.value for case in CORPUS}
    together = len({kept for _, kept in stored}) < len({values[each] for each, _ in stored})
    if together:
        assert choice.loss


def test_no_policy_is_the_decoder_of_before() -> None:
    """Nothing is asked for a record: no rules for the plain way, and the functions of the strict way themselves."""
    assert Json()._rules is None
    for policy, value in VALUES:
        rules = Json(Policies(**{policy: value}))._rules
        changes_plain_values = policy in ("field_names", "empty_names", "decimals", "id_field")
        assert (rules is not None) == changes_plain_values, policy


@given(NAMES.filter(bool) | TEXT, NAMES.filter(bool) | TEXT)
@example("a.b", "a%2Eb")
@example("$a", "%24a")
@example("a$", "a%24")
@example("\0", "%00")
def test_escaping_is_injective_and_any_decoder_of_urls_takes_it_back(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)
    assert unquote(escape(one)) == one
    assert not {".", "\0"} & set(escape(one))
    assert escape(one)[0] != "$"


@given(st.dictionaries(NAMES.filter(bool), st.integers(0, 9), max_size=5))
def test_what_is_escaped_is_stored_whole(fields: dict[str, int]) -> None:
    found = outcome(json.dumps({"in": fields}).encode(), Policies(field_names="escape"))

    assert isinstance(found, dict)
    assert {unquote(name): value for name, value in found["in"].items()} == fields
    assert list(map(unquote, found["in"])) == list(fields)


@given(st.integers(-(10**40), 10**40))
@example(2**63)
@example(-(2**63))
@example(10**34)
def test_an_integer_is_exact_or_rejected(number: int) -> None:
    value = b'{"n":%d}' % number
    small = -(2**63) <= number < 2**63
    text = outcome(value, Policies(big_integers="string"))
    exact = outcome(value, Policies(big_integers="decimal128"))

    assert text == {"n": number if small else str(number)}
    if small:
        assert exact == {"n": number}
    elif isinstance(exact, dict):
        assert int(exact["n"].to_decimal()) == number
    else:
        assert exact is RejectReason.INTEGER_OUT_OF_RANGE
        assert len(str(abs(number)).rstrip("0")) > 34


@given(st.decimals(allow_nan=False, allow_infinity=False), st.booleans())
@example(Decimal("19.90"), False)
@example(Decimal("1E+6144"), False)
@example(Decimal("1E-6176"), False)
@example(Decimal("0E-99999"), False)
def test_a_decimal_is_exact_or_rejected(number: Decimal, as_exponent: bool) -> None:
    digits = f"{number:e}" if as_exponent else str(number)
    if not {".", "E", "e"} & set(digits):
        digits += ".0"
    found = outcome(b'{"n":%s}' % digits.encode(), Policies(decimals="decimal128"))

    if isinstance(found, dict):
        assert found["n"].to_decimal() == Decimal(digits)
        assert found["n"].to_decimal().is_signed() == Decimal(digits).is_signed()
    else:
        assert found is RejectReason.NUMBER_OUT_OF_RANGE
        figures = "".join(map(str, Decimal(digits).as_tuple().digits)).strip("0")
        assert len(figures) > 34 or not -6143 <= Decimal(digits).adjusted() <= 6144


def policies_at_random(chance: Random) -> Policies:
    return Policies(
        **{
            name: chance.choice([POLICIES[name].choices[0].word, *values])
            for name, values in EXPECTED.items()
            if chance.random() < 0.6
        }
    )


def stored(value: bytes | None, policies: Policies) -> bytes | None:
    found = Decoder(Json(policies), Encoding(), Limits(2_000, 5, 40)).decode(f"{PREFIX}0", FakeRecord(0, 0, value))
    return bytes(found.document.raw) if isinstance(found, Insert) else None


def test_the_plain_way_stores_what_the_strict_way_does_under_every_policy() -> None:
    chance = Random(18)
    difficult = [b'{"a.b": 1, "a_b": 2}', b'{"_id": 1, "a": 2}', b'{"$a": {"": 1}}', b'{"50%": [{"%": 1.5}]}', b'{".id": 1}', b'{"_id":{"_id":1}}']  # fmt: skip
    taken = 0
    for number in range(1_500):
        policies = Policies(**ANY[number % len(ANY)]) if number % 2 else policies_at_random(chance)
        values = [chance.choice(difficult) if chance.random() < 0.2 else record(chance) for _ in range(chance.randrange(1, 40))]  # fmt: skip
        fields, others = Json(policies).parse_plain(values, Limits(2_000, 5, 40))
        documents = encode_plain(PREFIX, [0] * len(values), fields)
        for index, each in enumerate(values):
            if index not in others:
                taken += 1
                assert bytes(as_raw(documents[index]).raw) == stored(each, policies), (policies, each)
    assert taken > 5_000


def test_values_with_names_to_escape_go_the_plain_way_whole_batches_of_them() -> None:
    """Kubernetes' labels: all records have them."""
    values: list[bytes | None] = [b'{"n": %d, "labels": {"app.kubernetes.io/name": "x", "50%%": 1}}' % n for n in range(600)]  # fmt: skip

    fields, others = Json(Policies(field_names="escape")).parse_plain(values, LIMITS)

    assert others == []
    assert [each["n"] for each in fields] == list(range(600))
    assert {tuple(each["labels"]) for each in fields} == {("app%2Ekubernetes%2Eio/name", "50%25")}


def test_what_is_looked_at_twice_is_escaped_once() -> None:
    """Beside a value that is not plain its neighbours are looked at again, in smaller groups."""
    values = [b'{"a.b": %d}' % number for number in range(300)]
    values[100] = b'{"a.b": "\\n"}'

    fields, others = Json(Policies(field_names="escape")).parse_plain(values, LIMITS)

    assert 100 in others
    assert all(fields[index] == {"a%2Eb": index} for index in range(300) if index not in others)


REMEDIES = [
    (b'{"a.b":1}', "WORKERS_FIELD_NAMES=escape would store it"),
    (b'{"":1}', "WORKERS_EMPTY_NAMES=keep would store it"),
    (b'{"n":9223372036854775808}', "WORKERS_BIG_INTEGERS=decimal128 would store it"),
    (b'{"n":%s}' % (b"9" * 40), "WORKERS_BIG_INTEGERS=string would store it"),
    (b'{"n":1e400}', "WORKERS_DECIMALS=decimal128 would store it"),
    (b'{"n":NaN}', "WORKERS_NAN=double would store it"),
    (b'\xef\xbb\xbf{"n":1}', "WORKERS_BOM=strip would store it"),
    (b'{"n":1,"n":2}', "WORKERS_DUPLICATE_NAMES=last would store it, not exactly"),
    (b'{"_id":1}', "WORKERS_ID_FIELD=rename:id would store it"),
    (b"42", "WORKERS_NOT_AN_OBJECT=wrap:value would store it"),
    (rb'{"n":"\ud800"}', "WORKERS_SURROGATES=replace would store it, not exactly"),
]


@pytest.mark.parametrize(("value", "words"), REMEDIES)
def test_a_dead_letter_names_the_setting_that_would_store_it_and_it_does(value: bytes, words: str) -> None:
    rejected = open_decoder(load(), Encoding()).decode("numtest-08b40071/3/42", FakeRecord(3, 42, value))
    assert isinstance(rejected, Reject)
    assert rejected.error.endswith(f"; {words}")
    assert len(rejected.error) < 160

    setting, _, chosen = words.split(" ", maxsplit=1)[0].partition("=")
    settings = load(**{setting.removeprefix("WORKERS_").lower(): chosen})
    assert isinstance(
        open_decoder(settings, Encoding()).decode("numtest-08b40071/3/42", FakeRecord(3, 42, value)), Insert
    )
    assert bool(lossy(settings)) == words.endswith("not exactly")


def test_with_routes_the_key_and_the_route_are_named() -> None:
    table = RouteTable([Route(name="logs", topics=("a",)), Route(topics=("b",), nan="double")])
    settings = load().with_routes(table)

    rejected = open_decoder(settings.for_topic("a"), Encoding()).decode("x", FakeRecord(0, 0, b'{"a.b":1}'))
    assert isinstance(rejected, Reject)
    assert rejected.error.endswith('; field_names = "escape" in the route logs would store it')
    assert policies_of(settings.for_topic("b")) == Policies(nan="double")


@pytest.mark.parametrize(
    ("value", "policies"),
    [
        (b'{"a.b":"\\ud800"}', {"field_names": "escape"}),
        (rb'{"a\u0000b":1}', {"field_names": "keep"}),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"n":1}', {"bom": "strip"}),
        (b'{"":1}', {"field_names": "escape"}),
        (b'{"n":%s}' % (b"9" * 400), {"big_integers": "double"}),
        (b'{".id":1}', {"field_names": "replace:_"}),
    ],
)
def test_a_policy_takes_no_more_than_it_says(value: bytes, policies: dict[str, Any]) -> None:
    found = decoded(value, Policies(**policies))

    assert isinstance(found, Reject)
    assert found.error.isprintable()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\0\0\0\x01\x02{}", "the value begins like a schema registry's frame (magic byte 0, schema id 258)"),
        (b"\x1f\x8b\x08\0", "the value is compressed (gzip)"),
        (b"\x28\xb5\x2f\xfd\0", "the value is compressed (zstd)"),
        ('{"n":1}'.encode("utf-16"), "the value is UTF-16, by its byte order mark"),
        ('{"n":1}'.encode("utf-16-le"), "the value is UTF-16: every second byte is NUL"),
        ('{"n":1}'.encode("utf-16-be"), "the value is UTF-16: every second byte is NUL"),
        ('{"n":1}'.encode("utf-32"), "the value is UTF-32, by its byte order mark"),
        (b"hello", None),
        (b"\xff\x00", None),
        (b"\0", None),
    ],
)
def test_what_no_json_seems_to_be_is_said(value: bytes, words: str | None) -> None:
    assert seems_to_be(value) == words
    found = decoded(value, NO_POLICY)
    assert isinstance(found, Reject)
    assert found.error.startswith(words or ("Expecting", "byte"))
    assert found.error.isprintable()


def test_a_byte_order_mark_is_named() -> None:
    found = decoded(b'\xef\xbb\xbf{"n":1}', NO_POLICY)
    assert isinstance(found, Reject)
    assert found.error == "the value begins with a byte order mark, which is not JSON"


def test_no_double_takes_the_plain_way_where_decimals_are_wanted() -> None:
    """Whether or not the value was set aside before."""
    policies = Policies(decimals="decimal128")
    rules = PlainRules.of(policies)

    assert parse_plain([b'{"n": 1.5}', b'{"n": [[{"a": 1E5}]]}'], LIMITS, rules)[1] == [0, 1]
    large = b'{"n": 1.5, "text": "%s"}' % (b"x" * 100_000)
    assert Json(policies).parse(large, LIMITS)["n"] == Decimal("1.5")


def test_a_large_value_has_the_policies_too() -> None:
    """Above the size of plain values, and alone."""
    value = b'{"a.b": "%s"}' % (b"x" * 100_000)

    assert list(Json(Policies(field_names="escape")).parse(value, LIMITS)) == ["a%2Eb"]
    with pytest.raises(RejectedError):
        Json().parse(value, LIMITS)


@pytest.mark.parametrize("depth", [40, 5_000])
def test_a_value_behind_a_byte_order_mark_may_be_too_deep(depth):
    """In the strict way's second try, too: an error of any other kind would end the worker."""
    with pytest.raises(RejectedError) as rejected:
        Json(Policies(bom="strip")).parse(b"\xef\xbb\xbf" + b'{"a":' * depth + b"1" + b"}" * depth, Limits())
    assert rejected.value.reason is RejectReason.TOO_DEEP


def test_no_setting_is_named_that_would_not_store_it():
    """What is behind the mark must be JSON."""
    for value, remedy in ((b'\xef\xbb\xbf{"a": 1}', Remedy("bom", "strip")), (b"\xef\xbb\xbfa;b;c", None)):
        with pytest.raises(RejectedError) as rejected:
            Json(Policies()).parse(value, Limits())
        assert rejected.value.remedy == remedy
