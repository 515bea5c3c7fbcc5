"""The values of the policies: what is taken, what is refused and how that is said, and what each loses."""

from __future__ import annotations

import pytest

from workers.errors import BadConfigurationError
from workers.settings import load
from workers.settings.policies import POLICIES, assignment, chosen, lossy
from workers.settings.route import Route


def problem(**given: str) -> str:
    with pytest.raises(BadConfigurationError) as refused:
        load(**given)
    (said,) = refused.value.problems
    return said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"field_names": "escap"}, "is none of reject, keep, escape, replace:TEXT; did you mean escape?"),
        ({"nan": "zero"}, "is none of reject, double, null"),
        ({"decimals": "reject"}, "is none of double, decimal128"),
        ({"field_names": "replace"}, "must be written as replace:TEXT"),
        ({"field_names": "escape:_"}, "must be written as escape"),
        ({"field_names": "replace:"}, "replace:TEXT: TEXT must have 1 to 8 bytes"),
        ({"field_names": "replace:123456789"}, "replace:TEXT: TEXT must have 1 to 8 bytes"),
        ({"field_names": "replace:a$"}, "replace:TEXT: TEXT must not hold a dot or a $"),
        ({"field_names": "replace:."}, "replace:TEXT: TEXT must not hold a dot or a $"),
        ({"id_field": "rename:_id"}, "rename:NAME: the _id of a document is made of the record's place, and of nothing else"),
        ({"id_field": "rename:a.b"}, "rename:NAME: NAME must not hold a dot or begin with $"),
        ({"not_an_object": "wrap:$a"}, "wrap:NAME: NAME must not hold a dot or begin with $"),
        ({"not_an_object": "wrap:a\n"}, "wrap:NAME: NAME must not hold a control character, or bytes that are not UTF-8"),
        ({"not_an_object": "wrap:" + "n" * 101}, "wrap:NAME: NAME must have 1 to 100 bytes"),
        ({"id_field": "use"}, "is none of reject, rename:NAME"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_says_what_can(given: dict[str, str], said: str) -> None:
    ((name, value),) = given.items()
    assert problem(**given).startswith(f"WORKERS_{name.upper()}={'' if value.isprintable() else repr(value)}")
    assert problem(**given).endswith(said)


@pytest.mark.parametrize("value", ["replace:_", "replace:%", "replace:\u00b7", "keep", "escape", "reject"])
def test_names_can_be_treated_so(value: str) -> None:
    assert load(field_names=value).field_names == value


def test_a_route_has_them_for_itself() -> None:
    route = Route(topics=("a",), field_names="escape", nan="null")

    assert [(each.name, each.value) for each in chosen(route)] == [("field_names", "escape"), ("nan", "null")]
    assert [each.name for each in lossy(route)] == ["nan"]
    assert list(chosen(Route(topics=("b",)))) == []
    assert assignment("nan", "null", route.label) == 'nan = "null" in the route a'


def test_the_default_of_each_is_what_was_done_before() -> None:
    for name, policy in POLICIES.items():
        first = policy.choices[0]
        assert (first.word, first.loss) == ("double" if name == "decimals" else "reject", "")


def test_these_are_lossy_and_no_others() -> None:
    found = [f"{name}={each.word}" for name, policy in POLICIES.items() for each in policy.choices if each.loss]

    assert found == [
        "field_names=replace",
        "big_integers=double",
        "nan=null",
        "duplicate_names=last",
        "surrogates=replace",
    ]
