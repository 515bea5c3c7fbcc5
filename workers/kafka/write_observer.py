"""Tells a source of the batches that were written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.pipeline.observer import NullObserver

if TYPE_CHECKING:
    from workers.kafka.source import KafkaSource
    from workers.types import Batch, WriteResult


class WriteObserver(NullObserver):
    """See `KafkaSource.written`. On the loop's thread."""

    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        self._source.written(batch)
