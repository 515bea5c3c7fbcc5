"""What this project relies on in kafka-python 3.0.12 and does not find in its documentation. Run before any upgrade."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.record import util

from tests.support.kafka_sides import RealKafka, wait
from workers.kafka import compat, compat_logs
from workers.kafka.fetched_records import from_poll
from workers.kafka.inspector import Inspector, read_header
from workers.kafka.options import first_records_options, group_member_options, log_reader_options, open_consumer
from workers.settings import load
from workers.types import CommitResult, Fetched


def test_a_commit_has_an_offset_a_metadata_and_an_epoch():
    assert OffsetAndMetadata._fields == ("offset", "metadata", "leader_epoch")
    assert OffsetAndMetadata(7, "text", -1) == (7, "text", -1)


def test_the_crc_is_checked_in_c():
    assert util.crc32c_c is not None
    assert util.calc_crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_no_codec_is_missing(codec):
    """A record in a codec that is not there would end the worker, again and again."""
    from kafka import codec as codecs

    assert getattr(codecs, f"has_{codec}")()


@pytest.mark.parametrize("options", [group_member_options, log_reader_options, first_records_options])
def test_every_option_that_is_set_is_one_that_the_consumer_knows(options):
    assert set(options(load())) - set(KafkaConsumer.DEFAULT_CONFIG) == set()


@pytest.mark.integration
class TestOnABroker:
    @pytest.fixture
    def kafka(self, stack):
        side = RealKafka(stack, partitions=1)
        yield side
        side.close()

    def test_a_consumer_tells_its_member_its_generation_and_the_topics_id(self, kafka):
        member = kafka.member()
        wait(lambda: member.poll() or member.told.owned == [0], "an assignment")

        consumer = member.source._consumer
        group = consumer.group_metadata()
        assert group.member_id.startswith("worker_00-")
        assert group.generation_id >= 1
        assert isinstance(compat.topic_id(consumer, kafka.settings.topic), UUID)
        assert compat.topic_id(consumer, kafka.settings.topic) == kafka.topic.uuid
        assert compat.topic_id(consumer, "no-such-topic") is None
        assert member.source.connected()

    def test_it_hears_of_a_rebalance_between_its_polls_and_leaves_it_time_for_what_is_in_flight(self, kafka):
        kafka.produce(0, b"value")
        member = kafka.member()
        member.take(1)
        newcomer = kafka.member()
        wait(lambda: newcomer.poll() or compat.rebalance_pending(member.source._consumer), "a rebalance")

        assert member.source.poll(10, wait=False) is None
        assert member.commit(member.next_offsets) is CommitResult.OK
        assert member.told.rebalances == ["assigned"]

    def test_a_rebalance_that_is_suppressed_is_not_forgotten(self, kafka):
        """The client hears of it between two polls, or in the middle of one; nothing in flight may be lost to it there."""
        kafka.produce(0, b"value")
        member = kafka.member()
        member.take(1)
        consumer, newcomer = member.source._consumer, kafka.member()
        wait(lambda: newcomer.poll() or compat.rebalance_pending(consumer), "a rebalance")
        before = consumer.group_metadata().generation_id

        with compat.suppress_rejoin(consumer):
            assert not compat.rebalance_pending(consumer)
            for _ in range(3):
                consumer.poll(timeout_ms=100)
        assert consumer.group_metadata().generation_id == before
        assert member.told.rebalances == ["assigned"]

        assert compat.rebalance_pending(consumer)
        wait(lambda: newcomer.poll() or member.poll() or consumer.group_metadata().generation_id > before, "it joins")

    def test_a_record_has_what_the_data_path_reads(self, kafka):
        kafka.produce(0, b"value")
        member = kafka.member()
        fetched: list[Fetched] = []
        wait(lambda: (polled := member.source.poll(10, wait=True)) and not fetched.append(polled), "a record")

        (record,) = fetched[0].records[TopicPartition(kafka.settings.topic, 0)]
        assert (record.partition, record.offset, record.value, record.key) == (0, 0, b"value", None)
        assert list(record.headers) == []
        assert record.timestamp > 1_700_000_000_000

    def test_a_commit_carries_the_topics_id(self, kafka):
        """So that a later owner sees which incarnation of the topic the offset counts in."""
        kafka.produce(0, b"value")
        member = kafka.member()
        member.take(1)
        member.commit({0: 1})

        assert kafka.commits()[0].offset == 1
        assert kafka.commits()[0].metadata == f"kafka-mongo-workers/1 topic={kafka.topic.uuid} epochs=0@0"
        assert kafka.commits()[0].leader_epoch == 0

    def test_a_seek_to_where_it_is_or_elsewhere_is_obeyed_after_a_poll(self, kafka):
        kafka.produce(0, b"a", b"b")
        member = kafka.member()
        member.take(2)
        consumer, tp = member.source._consumer, TopicPartition(kafka.settings.topic, 0)

        member.rewind({0: 1})

        assert consumer.position(tp) == 1
        assert member.take(1) == [(0, b"b")]

    def test_a_leader_says_where_its_records_of_an_epoch_end(self, kafka):
        kafka.produce(0, b"a", b"b")
        member = kafka.member()
        member.take(2)
        consumer, tp = member.source._consumer, TopicPartition(kafka.settings.topic, 0)

        ((node, epoch),) = (found := compat_logs.leaders(consumer, [tp])).values()

        assert (node, epoch) == (1, 0)
        assert compat_logs.epoch_ends(consumer, {tp: 0}, found, 5_000) == {tp: (0, 2)}
        assert compat_logs.epoch_ends(consumer, {tp: 5}, found, 5_000) == {tp: (-1, -1)}
        assert compat_logs.epoch_ends(consumer, {tp: 0}, {tp: (node, 5)}, 5_000) == {}, (
            "the leader does not know of epoch 5 yet"
        )
        assert compat_logs.epoch_ends(consumer, {tp: 0}, {tp: (-1, -1)}, 5_000) == {}, "no leader"
        assert compat_logs.leaders(consumer, [TopicPartition("no-such-topic", 0)])[("no-such-topic", 0)] == (-1, -1)

    def test_a_position_with_an_epoch_is_validated_by_the_broker(self, kafka):
        """Without one it would be read on from there; the client goes to the log start by itself, without a word."""
        kafka.produce(0, b"a", b"b")
        consumer = open_consumer(kafka.settings, log_reader_options(kafka.settings))
        tp = TopicPartition(kafka.settings.topic, 0)
        consumer.assign([tp])

        compat_logs.seek(consumer, tp, 1, 0)
        assert [*from_poll(consumer.poll(timeout_ms=5_000))[tp].values] == [b"b"]
        compat_logs.seek(consumer, tp, 1, 5)
        assert [*from_poll(consumer.poll(timeout_ms=5_000))[tp].values] == [b"a", b"b"]
        consumer.close()

    def test_the_header_of_a_batch_tells_its_codec_and_its_time(self, kafka):
        """One whole batch a request, although they are many; what is behind the end has none."""
        kafka.produce(0, *[b"x" * 500 for _ in range(4)])
        tp, before = TopicPartition(kafka.settings.topic, 0), time.time()
        with Inspector(kafka.settings) as inspector:
            topic = inspector.details(kafka.settings.topic).topic
            client = inspector._client
            (header,) = compat_logs.batch_headers(client, {tp: 3}, topic.leaders, 5_000).values()
            assert compat_logs.batch_headers(client, {tp: 4}, topic.leaders, 5_000) == {}
            assert compat_logs.batch_headers(client, {tp: 0}, {tp: (-1, -1)}, 5_000) == {}, "no leader"

        assert len(header) == compat_logs.HEADER_BYTES
        found = read_header(header)
        assert found.codec == "none"
        assert before - 60 < found.first_time <= found.last_time < before + 60
        assert 500 < found.bytes < 3_000

    def test_a_broker_tells_the_rights_on_a_group_that_is_not_there_yet(self, kafka):
        with Inspector(kafka.settings) as inspector:
            assert {"READ", "DESCRIBE"} <= inspector.group_rights("no-such-group")
            assert inspector.group("no-such-group", kafka.settings.topic).state == "Dead"
