"""The options of a route: as variables and in the file of routes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.errors import BadConfigurationError
from workers.settings import Settings, load, redact, unused
from workers.settings.routes_file import read_routes


def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **given: str) -> list[str]:
    for name, value in given.items():
        monkeypatch.setenv(f"WORKERS_{name.upper()}", value)
    with pytest.raises(BadConfigurationError) as found:
        load(tmp_path)
    return found.value.problems


def test_metadata_is_a_list_with_commas_in_one_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKERS_METADATA", " headers, place ,key,place")
    settings = load(tmp_path)

    assert settings.metadata == ("place", "key", "headers")
    assert redact(settings)["WORKERS_METADATA"] == "place,key,headers"
    monkeypatch.setenv("WORKERS_METADATA", "")
    assert load(tmp_path).metadata == ()


def test_in_the_file_of_routes_it_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('[[route]]\ntopics = ["a"]\nvalue_format = "text"\nmetadata = ["timestamp", "place"]\n')

    (route,) = read_routes(file).routes
    assert (route.value_format, route.metadata) == ("text", ("place", "timestamp"))
    file.write_text(file.read_text() + 'metadata_field = "value"\n')
    with pytest.raises(BadConfigurationError, match="line 1: the route cannot be: metadata_field is also the field"):
        read_routes(file)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"value_format": "avro"}, "WORKERS_VALUE_FORMAT=avro: "),
        ({"metadata": "place,offset"}, "WORKERS_METADATA=place,offset: "),
        ({"metadata_field": "_id"}, "_id is made of topic, partition and offset"),
        ({"value_field": "$v"}, "does not begin with $"),
        ({"value_field": "a.b"}, "holds no dot"),
        ({"value_field": ""}, "a name of 1 to 64 bytes"),
        ({"value_field": "\u00e4" * 33}, "a name of 1 to 64 bytes"),
        ({"value_format": "text", "metadata": "key", "value_field": "_kafka"}, "is also the field of the value"),
        ({"value_format": "bytes", "metadata": "key", "metadata_field": "value"}, "is also the field of the value"),
    ],
)
def test_what_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], told: str
) -> None:
    (problem,) = refused(monkeypatch, tmp_path, **given)
    assert told in problem


def test_two_fields_of_one_name_are_no_problem_where_only_one_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORKERS_VALUE_FIELD", "_kafka")
    for given in ({"METADATA": "key"}, {"VALUE_FORMAT": "text", "METADATA": ""}):
        for name, value in given.items():
            monkeypatch.setenv(f"WORKERS_{name}", value)
        load(tmp_path)


def test_what_is_not_the_default_is_listed_for_who_verifies_under_it() -> None:
    assert Settings().chosen_formats == []
    chosen = Settings(value_format="text", metadata=("place", "key")).chosen_formats
    assert chosen == ["value_format=text", "metadata=place,key"]


def test_a_format_of_keys_without_keys_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKERS_KEY_FORMAT", "json")
    assert [note.partition(" is ")[0] for note in unused(load(tmp_path))] == ["WORKERS_KEY_FORMAT"]
    monkeypatch.setenv("WORKERS_METADATA", "key")
    assert unused(load(tmp_path)) == []
