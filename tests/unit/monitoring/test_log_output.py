"""A log line that cannot be written is dropped and counted: it raises nothing, and nobody waits for it."""

from __future__ import annotations

import os
import time

import pytest

from tests.support.full_disk import full_disk
from workers.monitoring import log_output
from workers.monitoring.log_output import LogOutput

LINE = "x" * 199 + "\n"


@pytest.fixture
def told():
    return []


@pytest.fixture
def pipe(told):
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as end, open(writer, "w") as stream:  # noqa: PTH123 not paths
        os.set_blocking(reader, False)
        yield end, LogOutput(stream, told.append)


def read_all(end) -> bytes:
    found = b""
    while some := end.read(65_536):
        found += some
    return found


def test_a_reader_that_stops_reading_costs_one_short_wait_and_whole_lines(pipe, told):
    end, output = pipe
    began = time.monotonic()
    for _ in range(1_000):
        output.write(LINE)
    assert time.monotonic() - began < 5 * log_output.WAIT_SECONDS + 1
    assert output.dropped == output.dropped_in_a_row > 600
    assert told == ["log lines cannot be written, and are dropped: nobody reads them"]

    kept = read_all(end)
    output.write("next\n")
    assert output.dropped_in_a_row == 0
    lines = (kept + read_all(end)).splitlines()
    assert len(lines) == 1_000 - output.dropped + 1
    assert set(lines) == {LINE.rstrip().encode(), b"next"}


def test_a_line_that_is_larger_than_the_pipe_is_cut_and_the_next_one_is_not(pipe):
    end, output = pipe
    output.write("y" * 200_000 + "\n")
    assert output.dropped == 1
    read_all(end)
    output.write("next\n")
    assert read_all(end) == b"\nnext\n"


def test_a_reader_that_has_gone_is_no_error(pipe):
    end, output = pipe
    end.close()
    output.write(LINE)
    output.flush()
    assert output.dropped == 1


def test_a_full_disk_is_no_error_and_lines_are_written_again_when_there_is_room(tmp_path, told):
    with full_disk(tmp_path / "disk") as disk, (disk.folder / "log").open("w") as stream:
        output = LogOutput(stream, told.append)
        for _ in range(3):
            output.write(LINE)
        assert (output.dropped, told) == (3, ["log lines cannot be written, and are dropped: No space left on device"])
        disk.make_room()
        output.write("next\n")
        assert (disk.folder / "log").read_text().splitlines()[-1] == "next"
        assert output.dropped_in_a_row == 0


@pytest.mark.parametrize("closed", [None, "closed"])
def test_no_output_is_no_error(tmp_path, closed):
    stream = None
    if closed:
        stream = (tmp_path / "log").open("w")
        stream.close()
    output = LogOutput(stream)
    output.write(LINE)
    output.flush()


def test_what_is_no_text_of_utf8_is_written_escaped(pipe):
    end, output = pipe
    output.write("a\udc80b\n")
    assert read_all(end) == b"a\\udc80b\n"
