"""Records at offsets that the log has used twice, for `verify`: they may be stored under their second id (decision 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from workers.identity import second_id
from workers.records import Record
from workers.types import Insert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.identity import TopicIdentity
    from workers.pipeline.decoder import Decoder
    from workers.sinks.base import SinkReader
    from workers.verification.report import PartitionReport


class Doubtful(NamedTuple):
    """A record, and what is stored under its own id."""

    id: str
    record: Record
    outcome: str
    """By what is stored under its own id alone."""
    document: Any
    has_letter: bool
    reused: bool
    """Whether the commit says that the log has used the offset twice."""


class SecondIds:
    """Looks up the second ids of one run of `verify`."""

    def __init__(self, topic: TopicIdentity, sink: SinkReader, decoder: Decoder) -> None:
        self._topic = topic
        self._sink = sink
        self._decoder = decoder
        self.looked_up: set[str] = set()
        """Every second id whose record was judged."""

    def judge(self, report: PartitionReport, doubtful: Sequence[Doubtful], next_offset: int) -> None:
        """Count each record once; and, as *replaced*, what is stored under its own id of a record that was there before."""
        ids = {
            each.id: second_id(each.id, each.record.leader_epoch) for each in doubtful if each.record.leader_epoch >= 0
        }
        documents = self._sink.documents([*ids.values()]) if ids else {}
        letters = self._sink.dead_letters([*ids.values()]) if ids else {}
        self.looked_up.update(ids.values())
        for each in doubtful:
            second = ids.get(each.id, "")
            has_second = second in documents and self._is_equal(each.record, second, documents[second])
            if has_second or second in letters:
                if (has_second and second in letters) or self._is_equal(each.record, each.id, each.document):
                    report.add("twice", each.record.offset)
                    continue
                report.add("stored" if has_second else "dead_lettered", each.record.offset)
                self._add_replaced(report, each)
            elif each.reused:
                self._judge_reused(report, each, next_offset)
            else:
                report.add(each.outcome, each.record.offset)

    def _judge_reused(self, report: PartitionReport, each: Doubtful, next_offset: int) -> None:
        """A record without a second id, at an offset that the log has used twice."""
        offset, pending = each.record.offset, each.record.offset >= next_offset
        if self._is_equal(each.record, each.id, each.document):
            report.add("stored", offset)
            self._add_replaced(report, each._replace(document=None))
        elif each.has_letter and not isinstance(self._decoder.decode(each.id, each.record), Insert):
            report.add("dead_lettered", offset)
            self._add_replaced(report, each._replace(has_letter=False))
        elif pending:
            report.add("pending", offset)
            self._add_replaced(report, each)
        else:
            report.add(each.outcome, offset)

    def _add_replaced(self, report: PartitionReport, each: Doubtful) -> None:
        for is_there in (each.document is not None, each.has_letter):
            if is_there:
                report.add("replaced", each.record.offset)

    def _is_equal(self, record: Record, document_id: str, document: Any) -> bool:
        if document is None:
            return False
        decoded = self._decoder.decode(document_id, record)
        return isinstance(decoded, Insert) and self._sink.equal(document, decoded.document)
