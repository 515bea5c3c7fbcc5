"""Compiles the record options of a topic into its decoder, once: nothing is looked up in the settings for a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.formats import keys
from workers.formats.binary import Binary
from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.formats.policies import NO_POLICY, Policies
from workers.formats.text import Text
from workers.pipeline.decoder import Decoder
from workers.pipeline.metadata import Metadata
from workers.pipeline.reader import RecordReader
from workers.settings.policies import POLICIES, assignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.pipeline.decoder import Encoder, Format
    from workers.settings import Settings
    from workers.types import Remedy

WOULD_STORE = "would store it"
"""In the error of a reject, behind the setting: for who shows it to a person."""


def open_decoder(settings: Settings, encoder: Encoder, limits: Limits | None = None) -> Decoder:
    """The decoder of the settings' one topic.

    Args:
        settings: of one topic: see `Settings.for_topic`.
        encoder: the sink, or its reader.
        limits: in place of those of the settings.
    """
    limits = limits or Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)
    policies = policies_of(settings)
    return Decoder(
        _format(settings.value_format, settings.value_field, policies),
        encoder,
        limits,
        ignore_tombstones=settings.on_tombstone == "ignore",
        metadata=_metadata(settings),
        may_grow=policies.may_grow,
        remedy_words=_remedy_words(settings.route_label),
    )


def _format(name: str, value_field: str, policies: Policies) -> Format:
    if name == "extended_json":
        # Not at the top: the types are those of the driver, which nobody needs who has no such route.
        from workers.formats.extended_json import ExtendedJson

        return ExtendedJson(policies)
    made: dict[str, Callable[[], Format]] = {
        "json": lambda: Json(policies),
        "text": lambda: Text(value_field),
        "bytes": lambda: Binary(value_field),
    }
    return made[name]()


def _metadata(settings: Settings) -> Metadata | None:
    if not settings.metadata:
        return None
    key = {"bytes": keys.as_bytes, "text": keys.as_text}.get(settings.key_format)
    # Policies are for values. They would make decimals of numbers, which the plain way cannot encode.
    of_json = _format(settings.key_format, "", NO_POLICY).parse
    return Metadata(settings.metadata, settings.metadata_field, key or keys.as_json(of_json))


def policies_of(settings: Settings) -> Policies:
    """The policies of the settings' one topic."""
    return Policies(**{name: getattr(settings, name) for name in POLICIES})


def _remedy_words(route: str | None) -> Callable[[Remedy], str]:
    def words(remedy: Remedy) -> str:
        loss = POLICIES[remedy.setting].choice(remedy.value).loss
        return f"{assignment(*remedy, route)} {WOULD_STORE}{', not exactly' if loss else ''}"

    return words


def open_record_reader(settings: Settings, encoder: Encoder) -> RecordReader:
    """The reader of all topics of the settings. A topic that appears later is compiled with its first record."""
    decoders = {topic: open_decoder(settings.for_topic(topic), encoder) for topic in settings.route_table.topics}

    def decoder_of(topic: str) -> Decoder:
        if topic not in decoders:
            decoders[topic] = open_decoder(settings.for_topic(topic), encoder)
        return decoders[topic]

    return RecordReader(decoder_of)
