"""What this project relies on in kafka-python 3.0.12 and does not find in its documentation. Run before any upgrade."""

from __future__ import annotations

from importlib.metadata import version
from uuid import UUID

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.record import util

from tests.support.kafka_sides import RealKafka, wait
from workers.kafka.options import consumer_options
from workers.settings import load
from workers.types import CommitResult, Fetched


def test_it_is_the_version_that_the_loop_is_shaped_by():
    assert version("kafka-python") == "3.0.12"


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


def test_every_option_that_is_set_is_one_that_the_consumer_knows():
    assert set(consumer_options(load())) - set(KafkaConsumer.DEFAULT_CONFIG) == set()


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
        assert isinstance(consumer._cluster.topic_id(kafka.settings.topic), UUID)
        assert consumer._cluster.topic_id(kafka.settings.topic) == kafka.topic.uuid
        assert member.source.connected()

    def test_it_hears_of_a_rebalance_between_its_polls_and_leaves_it_time_for_what_is_in_flight(self, kafka):
        kafka.produce(0, b"value")
        member = kafka.member()
        member.take(1)
        newcomer = kafka.member()
        wait(lambda: newcomer.poll() or member.source._consumer._coordinator.need_rejoin(), "a rebalance")

        assert member.source.poll(10, wait=False) is None
        assert member.commit(member.next_offsets) is CommitResult.OK
        assert member.told.rebalances == ["assigned"]

    def test_a_record_has_what_the_data_path_reads(self, kafka):
        kafka.produce(0, b"value")
        member = kafka.member()
        fetched: list[Fetched] = []
        wait(lambda: (polled := member.source.poll(10, wait=True)) and not fetched.append(polled), "a record")

        (record,) = fetched[0].records[0]
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
        assert kafka.commits()[0].metadata == str(kafka.topic.uuid)

    def test_a_seek_to_where_it_is_or_elsewhere_is_obeyed_after_a_poll(self, kafka):
        kafka.produce(0, b"a", b"b")
        member = kafka.member()
        member.take(2)
        consumer, tp = member.source._consumer, TopicPartition(kafka.settings.topic, 0)

        consumer.seek(tp, 1)

        assert consumer.position(tp) == 1
        assert member.take(1) == [(0, b"b")]
