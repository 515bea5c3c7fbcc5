"""What the loop does when it is asked to stop in the middle of an iteration; all else of it is played by tests/model."""

from __future__ import annotations

from tests.support.batches import batch_of, document
from workers.pipeline.loop import Loop
from workers.pipeline.observer import NullObserver
from workers.types import CommitResult, Fetched, WriteResult

FIRST, SECOND = batch_of(document(0)), batch_of(document(1))


class World:
    """Source, reader and writer in one. The stop is asked for while the second batch is polled."""

    def __init__(self):
        self.batches, self.begun, self.committed, self.closed = [FIRST, SECOND], [], [], False

    def poll(self, most, *, wait):
        return Fetched({}, {})

    def read(self, fetched):
        return self.batches.pop(0)

    def begin(self, batch):
        self.begun.append(batch)

    def finish(self):
        return WriteResult({}, {}, {}), 0.0

    def commit(self, next_offsets, assignment_epoch):
        self.committed.append(next_offsets)
        return CommitResult.OK

    def close(self):
        self.closed = True


def test_a_batch_that_was_read_while_a_stop_was_asked_for_is_not_begun():
    world = World()

    Loop(world, world, world, NullObserver(), lambda: not world.batches).run()

    assert world.begun == [FIRST]
    assert world.committed == [FIRST.next_offsets]
    assert world.closed
