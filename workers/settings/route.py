"""A route: which topics, in which format, into which collection; and the table of all routes of a fleet. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field, field_validator, model_validator

from workers.settings.route_options import RouteOptions
from workers.settings.values import Text, collection_problem, topic_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOPIC = "{topic}"
"""In the name of a collection: the name of the topic."""
IS_SIMPLE = re.compile(r"(?!\(\?[aiLmsux]+\))(?:[^\\(]|\\[^1-9]|\((?!\?P))*", re.DOTALL)
"""A pattern that means the same as a part of another one."""
LETTERS = "_dead_letters"
"""The dead letters of a collection are in the collection of its name and this."""
INTERNAL = "__"
"""What the names of Kafka's own topics begin with. No pattern matches them."""


class Route(RouteOptions):
    """One route. Every topic of it is decoded, and stored, in the same way."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Text = Field("", max_length=100, description="what `--route` takes; else the first topic, or the pattern")
    topics: tuple[str, ...] = Field((), description="the topics to read")
    topic_pattern: str | None = Field(
        None, description="a regular expression that matches the whole name of each topic to read, also of later ones"
    )
    collection: str = Field(TOPIC, description="the collection; {topic} in it is the topic's name")

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name or (self.topics[0] if self.topics else self.topic_pattern or "")

    def collection_of(self, topic: str) -> str:
        """The collection into which the records of a topic go."""
        return self.collection.replace(TOPIC, topic)

    def matches(self, topic: str) -> bool:
        """Whether its pattern matches this topic."""
        if self.topic_pattern is None or topic.startswith(INTERNAL):
            return False
        return re.fullmatch(self.topic_pattern, topic) is not None

    @field_validator("topics")
    @classmethod
    def _are_topic_names(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            if problem := topic_problem(topic):
                raise ValueError(f"{topic[:60]!r}: {problem}")
        if twice := sorted({each for each in topics if topics.count(each) > 1}):
            raise ValueError(f"{twice[0]} stands there twice")
        return topics

    @field_validator("topic_pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression of Python: {error}") from error
        if not IS_SIMPLE.fullmatch(pattern):
            raise ValueError(
                "must have no named groups, no references to groups, and no flags at its beginning: write (?i:...) in place of "
                "(?i), since the patterns of all routes are one to Kafka's client"
            )
        if re.fullmatch(pattern, ""):
            raise ValueError(
                "matches a name without a character: it would match nearly everything; write what you mean"
            )
        return pattern

    @field_validator("collection")
    @classmethod
    def _is_a_collection(cls, name: str) -> str:
        # A topic has no character that a collection may not have.
        if problem := collection_problem(name.replace(TOPIC, "t")):
            raise ValueError(problem)
        if {"{", "}"} & set(name.replace(TOPIC, "")):
            raise ValueError("{topic} is all that can stand in braces")
        return name

    @model_validator(mode="after")
    def _has_topics(self) -> Route:
        if bool(self.topics) == (self.topic_pattern is not None):
            raise ValueError("needs topics, or a topic_pattern, and not both")
        if problem := self.fields_problem():
            raise ValueError(f"cannot be: metadata_field {problem}")
        return self


class UnroutableError(Exception):
    """A topic of which no route says what becomes of it; the text says why."""


@dataclass(frozen=True)
class RouteTable:
    """All routes of a fleet."""

    routes: Sequence[Route]

    @property
    def topics(self) -> tuple[str, ...]:
        """Those that are named."""
        return tuple(topic for route in self.routes for topic in route.topics)

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of all that the routes say. Two with the same treat every record alike."""
        said = json.dumps([route.model_dump(mode="json") for route in self.routes], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    @property
    def names(self) -> str:
        """The topics, for a message: `a, b and those of the pattern c`."""
        patterns = [f"those of the pattern {route.topic_pattern}" for route in self.routes if route.topic_pattern]
        *first, last = [*self.topics, *patterns]
        return f"{', '.join(first)} and {last}" if first else last

    @property
    def has_several_topics(self) -> bool:
        """Whether there is, or may be, more than one."""
        return self.has_patterns or len(self.topics) > 1

    @property
    def has_patterns(self) -> bool:
        return any(route.topic_pattern is not None for route in self.routes)

    def route_of(self, topic: str) -> Route | None:
        """The route of a topic: the one that names it, else the one whose pattern matches; None: it is not to be read.

        Raises:
            UnroutableError: the patterns of two routes match it, or it has no legal collection.
        """
        named = [route for route in self.routes if topic in route.topics]
        found = named or [route for route in self.routes if route.matches(topic)]
        if not found:
            return None
        if len(found) > 1:
            raise UnroutableError(f"the routes {found[0].label} and {found[1].label} both match it")
        if problem := collection_problem(found[0].collection_of(topic)):
            raise UnroutableError(f"its collection would be {found[0].collection_of(topic)!r}, and {problem}")
        if topic_of_letters := self._letters_of(found[0].collection_of(topic)):
            raise UnroutableError(
                f"its collection would be {found[0].collection_of(topic)}, which is that of the dead letters of {topic_of_letters}"
            )
        return found[0]

    def _letters_of(self, collection: str) -> str | None:
        """The collection whose dead letters this one has; None: of none."""
        base = collection.removesuffix(LETTERS)
        if base == collection:
            return None
        named = {route.collection_of(topic) for route in self.routes for topic in route.topics}
        named |= {route.collection for route in self.routes if TOPIC not in route.collection}
        matched = any(route.collection == TOPIC and route.matches(base) for route in self.routes)
        return base if base in named or matched else None

    def labelled(self, label: str) -> Route | None:
        """The route of this name."""
        return next((route for route in self.routes if route.label == label), None)

    def problems(self) -> list[str]:
        """What is wrong with the routes together, as lines for people."""
        problems = [
            f"{topic} is in the routes {_listed(route.label for route in self.routes if topic in route.topics)}: one topic has "
            "one route"
            for topic in sorted({each for each in self.topics if self.topics.count(each) > 1})
        ]
        labels = [route.label for route in self.routes]
        problems += [
            f"two routes have the name {label}: give each a name of its own"
            for label in sorted({each for each in labels if labels.count(each) > 1})
        ]
        return problems + self._letters_among_documents()

    def _letters_among_documents(self) -> list[str]:
        """Collections of documents which would be those of the dead letters of others."""
        names = {route.collection_of(topic): topic for route in self.routes for topic in route.topics}
        names |= {route.collection: route.label for route in self.routes if TOPIC not in route.collection}
        return [
            f"{name} would be the collection of {names[name]}, and that of the dead letters of {names[other]}: rename one"
            for other in sorted(names)
            if (name := f"{other}{LETTERS}") in names
        ]


def _listed(labels: Iterable[str]) -> str:
    return " and ".join(labels)
