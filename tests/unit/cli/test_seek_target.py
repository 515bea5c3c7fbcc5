"""What `--to` of `workers seek` can be."""

from __future__ import annotations

import json

import pytest

from workers.cli.seek_target import Target
from workers.errors import BadUsageError
from workers.types import TopicPartition


@pytest.mark.parametrize("text", ["earliest", "latest", "-6h", "2026-01-31T12:00:00Z"])
def test_a_place_by_its_meaning(text):
    target = Target.of(text)

    assert target.start is not None
    assert target.start.text == text


def test_an_offset():
    assert Target.of("42") == Target(offset=42)


def test_a_file(tmp_path):
    file = tmp_path / "offsets.json"
    file.write_text('{"numtest": {"0": 100, "3": 250}}')
    target = Target.of(str(file))

    assert target.by_topic == {"numtest": {0: 100, 3: 250}}
    assert (target.names("numtest"), target.names("other")) == (True, False)


@pytest.mark.parametrize(
    "content",
    [[], {}, {"numtest": 3}, {"numtest": {}}, {"numtest": {"x": 1}}, {"numtest": {"0": -1}}, {"numtest": {"0": 1.5}}, {"numtest": {"0": True}}, {"numtest": {"0": 2**63}}],
)  # fmt: skip
def test_a_file_of_something_else_is_refused_with_an_example(tmp_path, content):
    file = tmp_path / "offsets.json"
    file.write_text(json.dumps(content))

    with pytest.raises(BadUsageError, match="must have offsets by topic and partition"):
        Target.of(str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "can be earliest, latest, a time .* an offset, or a file that ends in .json"),
        ("2026-01-31T12:00:00", "needs a zone: 2026-01-31T12:00:00Z for UTC"),
        ("2026-01-31", "needs a zone: 2026-01-31T00:00:00Z for UTC"),
        ("2999-01-01T00:00:00Z", "is in the future"),
        ("-99999d", "longer ago than ten years"),
        ("-5", "can be earliest"),
        ("missing.json", "missing.json"),
    ],
)
def test_what_means_nothing_is_refused_with_what_it_can_be(text, said):
    with pytest.raises(BadUsageError, match=said):
        Target.of(text)


def test_a_file_that_names_what_is_not_there_is_refused():
    target = Target(by_topic={"numtest": {0: 1, 9: 1}, "nmutest": {0: 1}})
    used = {TopicPartition("numtest", 0)}

    with pytest.raises(BadUsageError, match="not there, or not routed: numtest-9, nmutest-0"):
        target.require_all_used(used, is_limited=False)
    target.require_all_used(used, is_limited=True)
