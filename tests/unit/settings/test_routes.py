"""The file of routes: what it says, and every mistake in it, with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workers.errors import BadConfigurationError
from workers.settings.route import Route, RouteTable, UnroutableError
from workers.settings.routes_file import KEYS, read_routes

GOOD = """
[[route]]
topics = ["orders", "lines"]
collection = "shop"

[[route]]
name = "logs"
topic_pattern = 'log\\..*'

[[route]]
topics = ["log.audit"]
collection = "audit-{topic}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "routes.toml"


def table(file: Path, text: str) -> RouteTable:
    file.write_text(text)
    return read_routes(file)


def problems(file: Path, text: str) -> list[str]:
    with pytest.raises(BadConfigurationError) as found:
        table(file, text)
    return [each.removeprefix(f"WORKERS_ROUTES={file}").removeprefix(", ") for each in found.value.problems]


def test_each_topic_has_its_route_and_its_collection(file: Path) -> None:
    routes = table(file, GOOD)

    def where(topic: str) -> str | None:
        route = routes.route_of(topic)
        return route and route.collection_of(topic)

    assert {topic: where(topic) for topic in ("orders", "lines", "log.web", "log.audit", "numtest")} == {
        "orders": "shop",
        "lines": "shop",
        "log.web": "log.web",
        # The route that names a topic goes before one whose pattern matches it.
        "log.audit": "audit-log.audit",
        "numtest": None,
    }
    assert routes.topics == ("orders", "lines", "log.audit")
    assert routes.has_patterns
    assert [each.label for each in routes.routes] == ["orders", "logs", "log.audit"]


def test_a_topic_that_cannot_be_routed_says_why() -> None:
    routes = RouteTable(
        [Route(topic_pattern="a.*"), Route(topic_pattern=".*b"), Route(topic_pattern="c.*", collection="x.{topic}")]
    )

    for topic, why in (("a-b", "the routes a.* and .*b both match it"), ("c.", "its collection would be 'x.c.'")):
        with pytest.raises(UnroutableError, match="^" + re.escape(why)):
            routes.route_of(topic)
    assert routes.route_of("a-c") is routes.routes[0]


def test_no_pattern_matches_a_topic_of_kafka_itself() -> None:
    assert RouteTable([Route(topic_pattern=".+")]).route_of("__consumer_offsets") is None
    assert RouteTable([Route(topics=("__consumer_offsets",))]).route_of("__consumer_offsets")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ['there is no route in it: write [[route]] with topics = ["orders"]']),
        ("a = \n", ["is no TOML: Invalid value (at line 1, column 5)"]),
        ("[route]\ntopics = ['a']\n", ['line 1: route must be written as [[route]] with topics = ["orders"]']),
        ("[[routes]]\ntopics = ['a']\n", ['line 1: routes is not known here: write [[route]] with topics = ["orders"]']),
        ("[[route]]\n", ["line 1: the route needs topics, or a topic_pattern, and not both"]),
        ("\n[[route]]\ntopics = ['a']\ntopic_pattern = 'b'\n", ["line 2: the route needs topics, or a topic_pattern, and not both"]),
        ("[[route]]\ntopics = 'orders'\n", ['line 2: topics must be a list: topics = ["orders"]']),
        ("[[route]]\ntopic = ['orders']\n", ["line 2: topic is not a setting of a route; did you mean topics?"]),
        ("[[route]]\ntopics = ['a']\ncolour = 1\n", ["line 3: colour is not a setting of a route; a route can have " + ", ".join(KEYS)]),
        ("[[route]]\ntopics = ['a b']\n", ["line 2: topics: 'a b': Kafka refuses this name: use letters, digits, '.', '_' and '-', at most 249 characters"]),
        ("[[route]]\ntopics = ['a', 'a']\n", ["line 2: topics: a stands there twice"]),
        ("[[route]]\ntopics = ['a', 1]\n", ["line 2: topics: Input should be a valid string"]),
        ("[[route]]\ntopic_pattern = '('\n", ["line 2: topic_pattern: is no regular expression of Python: missing ), unterminated subpattern at position 0"]),
        ("[[route]]\ntopic_pattern = '.*'\n", ["line 2: topic_pattern: matches a name without a character: it would match nearly everything; write what you mean"]),
        ("[[route]]\ntopics = ['a']\ncollection = 'system.{topic}'\n", ["line 3: collection: MongoDB refuses a name that begins with 'system.', begins or ends with '.', or holds '..'"]),
        ("[[route]]\ntopics = ['a']\ncollection = 'x{Topic}'\n", ["line 3: collection: {topic} is all that can stand in braces"]),
        ("[[route]]\ntopics = ['a']\ncollection = ''\n", ["line 3: collection: MongoDB refuses it: a name has 1 to 200 characters, and neither '$' nor NUL"]),
        ("[[route]]\ntopics = ['a']\n[[route]]\ntopics = ['a']\n", ["a is in the routes a and a: one topic has one route", "two routes have the name a: give each a name of its own"]),
        ("[[route]]\ntopics = ['a', 'a_dead_letters']\n", ["a_dead_letters would be the collection of a_dead_letters, and that of the dead letters of a: rename one"]),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_line(file: Path, text: str, expected: list[str]) -> None:
    assert [each.removeprefix(": ") for each in problems(file, text)] == expected


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    text = "[[route]]\ntopics = ['a b']\ncolor = 1\n\n[[route]]\ntopic_pattern = '('\n"
    assert [each.split(":")[0] for each in problems(file, text)] == ["line 2", "line 3", "line 6"]


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(BadConfigurationError, match=r"^WORKERS_ROUTES=.*routes\.toml cannot be read: No such file"):
        read_routes(file)


@pytest.mark.parametrize("pattern", ["(?i)orders.*", "(?P<shop>a|b).*", r"(a|b)-\1", "(?s)x"])
def test_a_pattern_that_means_something_else_beside_others_is_refused(file: Path, pattern: str) -> None:
    """Kafka's client gets one for all routes."""
    (problem,) = problems(file, f"[[route]]\ntopic_pattern = '{pattern}'\n")
    assert "the patterns of all routes are one" in problem


@pytest.mark.parametrize("pattern", [r"log\..*", "(?i:orders).*", r"a(?!b)[(\d]+", r"(shop|store)\.\d{1,3}"])
def test_most_patterns_can_be_used(file: Path, pattern: str) -> None:
    assert table(file, f"[[route]]\ntopic_pattern = '{pattern}'\n").routes[0].topic_pattern == pattern


def test_no_topic_goes_into_the_dead_letters_of_another(file: Path) -> None:
    routes = table(
        file,
        "[[route]]\ntopic_pattern = 'pay.*'\n[[route]]\ntopics = ['x']\ncollection = 'shop'\n[[route]]\ntopic_pattern = 'shop_.*'\n",
    )
    for topic in ("pay_dead_letters", "shop_dead_letters"):
        with pytest.raises(UnroutableError, match="dead letters"):
            routes.route_of(topic)
    assert routes.route_of("pay")
    assert routes.route_of("shop_items")
