"""What becomes of the values of the corpus under each policy: of every other value the same as without one.

By policy and value, by name of the case: what is stored of it, without `_id`, or the reason of its reject.
"""

from __future__ import annotations

from decimal import Decimal

from workers.types import RejectReason

NINES, MANY = "9" * 34, "9" * 35
ABOVE, BELOW = 2**63, -(2**63) - 1
OUT_OF_RANGE, COLLISION = RejectReason.INTEGER_OUT_OF_RANGE, RejectReason.FIELD_COLLISION
NAN, INFINITY = float("nan"), float("inf")

EXPECTED: dict[str, dict[str, dict[str, object]]] = {
    "field_names": {
        "keep": {
            "36-operator": {"$set": {"n": 1}},
            "37-operator-inside": {"n": {"$gt": ""}},
            "38-dot-in-a-name": {"a.b": 1},
            "38-dot-in-a-name-inside": {"a": [{"b.c": 1}]},
            "38-names-that-differ-in-a-dot": {"a.b": 1, "a_b": 2},
        },
        "escape": {
            "36-operator": {"%24set": {"n": 1}},
            "37-operator-inside": {"n": {"%24gt": ""}},
            "38-NUL-in-a-name": {"a%00b": 1},
            "38-dot-in-a-name": {"a%2Eb": 1},
            "38-dot-in-a-name-inside": {"a": [{"b%2Ec": 1}]},
            "38-names-that-differ-in-a-dot": {"a%2Eb": 1, "a_b": 2},
            "38-percent-sign-in-a-name": {"50%25": 1},
        },
        "replace:_": {
            "36-operator": {"_set": {"n": 1}},
            "37-operator-inside": {"n": {"_gt": ""}},
            "38-NUL-in-a-name": {"a_b": 1},
            "38-dot-in-a-name": {"a_b": 1},
            "38-dot-in-a-name-inside": {"a": [{"b_c": 1}]},
            "38-names-that-differ-in-a-dot": COLLISION,
        },
    },
    "empty_names": {"keep": {"38-empty-name": {"": 1}}},
    "big_integers": {
        "decimal128": {
            "26-2**63": {"n": Decimal(ABOVE)},
            "26-34-digits-in-an-integer": {"n": Decimal(NINES)},
            "27--2**63-1": {"n": Decimal(BELOW)},
        },
        "string": {
            "26-2**63": {"n": str(ABOVE)},
            "26-34-digits-in-an-integer": {"n": NINES},
            "26-35-digits-in-an-integer": {"n": MANY},
            "27--2**63-1": {"n": str(BELOW)},
            "30-4300-digits": {"n": "9" * 4300},
            "31-4301-digits": {"n": "9" * 4301},
        },
        "double": {
            "26-2**63": {"n": 2.0**63},
            "26-34-digits-in-an-integer": {"n": 1e34},
            "26-35-digits-in-an-integer": {"n": 1e35},
            "27--2**63-1": {"n": -(2.0**63)},
        },
    },
    "decimals": {
        "decimal128": {
            "21-overflows-to-infinity": {"n": Decimal("1E+400")},
            "22-smallest-double": {"n": Decimal("5E-324")},
            "23-a-zero-with-an-exponent": {"n": Decimal("0E-999")},
            "23-underflows-to-zero": {"n": Decimal("1E-400")},
            "24-minus-zero,-a-double": {"n": Decimal("-0.0")},
            "29-31-digits": {"n": Decimal("0.1000000000000000055511151231257")},
            "29-35-digits": RejectReason.NUMBER_OUT_OF_RANGE,
            "29-largest-double": {"n": Decimal("1.7976931348623157E+308")},
            "29-money": {"n": Decimal("19.90")},
        },
    },
    "nan": {
        "double": {"20-NaN": {"n": NAN}, "21-Infinity": {"n": INFINITY}, "21--Infinity": {"n": -INFINITY}},
        "null": {"20-NaN": {"n": None}, "21-Infinity": {"n": None}, "21--Infinity": {"n": None}},
    },
    "bom": {"strip": {"11-byte-order-mark": {"n": 1}, "11-byte-order-mark-alone": RejectReason.EMPTY}},
    "duplicate_names": {"last": {"35-name-twice": {"n": 2}, "35-name-twice-inside": {"a": [{"n": 2}]}}},
    "id_field": {"rename:id": {"39-chooses-its-id": {"id": "evil", "n": 1}, "39-an-id,-and-a-field-id": COLLISION}},
    "not_an_object": {
        "wrap:value": {
            "7-bare-number": {"value": 42},
            "8-null": {"value": None},
            "8-true": {"value": True},
            "8-bare-string": {"value": "5"},
            "9-array": {"value": [1, 2]},
        }
    },
    "surrogates": {
        "replace": {
            "17-half-a-surrogate-pair": {"n": "\ufffd"},
            "17-half-a-surrogate-pair-in-a-name": {"\ufffd": 1},
            "17-two-names-of-half-a-pair": COLLISION,
        }
    },
}
