"""Compiles the record options of a topic into its decoder, once: nothing is looked up in the settings for a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.formats import keys
from workers.formats.binary import Binary
from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.formats.text import Text
from workers.pipeline.decoder import Decoder
from workers.pipeline.metadata import Metadata
from workers.pipeline.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.pipeline.decoder import Encoder, Format
    from workers.settings import Settings


def open_decoder(settings: Settings, encoder: Encoder, limits: Limits | None = None) -> Decoder:
    """The decoder of the settings' one topic.

    Args:
        settings: of one topic: see `Settings.for_topic`.
        encoder: the sink, or its reader.
        limits: in place of those of the settings.
    """
    limits = limits or Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)
    return Decoder(
        _format(settings.value_format, settings),
        encoder,
        limits,
        ignore_tombstones=settings.on_tombstone == "ignore",
        metadata=_metadata(settings),
    )


def _format(name: str, settings: Settings) -> Format:
    if name == "extended_json":
        # Not at the top: the types are those of the driver, which nobody needs who has no such route.
        from workers.formats.extended_json import ExtendedJson

        return ExtendedJson()
    made: dict[str, Callable[[], Format]] = {
        "json": Json,
        "text": lambda: Text(settings.value_field),
        "bytes": lambda: Binary(settings.value_field),
    }
    return made[name]()


def _metadata(settings: Settings) -> Metadata | None:
    if not settings.metadata:
        return None
    key = {"bytes": keys.as_bytes, "text": keys.as_text}.get(settings.key_format)
    return Metadata(
        settings.metadata, settings.metadata_field, key or keys.as_json(_format(settings.key_format, settings).parse)
    )


def open_record_reader(settings: Settings, encoder: Encoder) -> RecordReader:
    """The reader of all topics of the settings. A topic that appears later is compiled with its first record."""
    decoders = {topic: open_decoder(settings.for_topic(topic), encoder) for topic in settings.route_table.topics}

    def decoder_of(topic: str) -> Decoder:
        if topic not in decoders:
            decoders[topic] = open_decoder(settings.for_topic(topic), encoder)
        return decoders[topic]

    return RecordReader(decoder_of)
