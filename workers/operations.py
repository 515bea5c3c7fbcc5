"""The operations of one partition, or of a whole batch, as the reader hands them to a sink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

from workers.types import Operation

if TYPE_CHECKING:
    from collections.abc import Callable


class Operations(Sequence[Operation]):
    """Operations of which only the documents are there: the rest is made when somebody asks for one, and kept.

    So a batch that is written at the first attempt costs no object for each record but its value and its document. For one
    thread at a time.
    """

    def __init__(
        self,
        documents: Sequence[Any],
        make: Callable[[], Sequence[Operation]],
        values: Sequence[bytes | None] | None = None,
        *,
        may_grow: bool = False,
        other_bytes: int = 0,
    ) -> None:
        """Args:
        make: the operations of these documents, as many and in the same order. Pure.
        values: at least all from which they were decoded, for who must know their size; None: not known.
        may_grow: whether names or numbers may be longer in the documents than they were sent, or of a larger type.
        other_bytes: what the documents have besides, as BSON, at most.
        """
        self.documents = documents
        self.values = values
        self.may_grow, self.other_bytes = may_grow, other_bytes
        self._make = make
        self._made: Sequence[Operation] | None = None

    @classmethod
    def of(cls, operations: Sequence[Operation]) -> Operations:
        """Of operations that were made already."""
        if isinstance(operations, Operations):
            return operations
        return cls([each.document for each in operations], lambda: operations)

    @classmethod
    def joined(cls, parts: Iterable[Sequence[Operation]], as_stored: Callable[[Any], Any]) -> Operations:
        """Those of several partitions.

        Args: as_stored: applied to the document of an operation that is asked for. A plain document is a dict until the driver
            sends it; who compares or judges one needs it as it is stored.
        """
        each = [cls.of(part) for part in parts]
        values = [part.values for part in each if part.values is not None]
        return cls(
            [*chain.from_iterable(part.documents for part in each)],
            lambda: [made._replace(document=as_stored(made.document)) for part in each for made in part],
            [*chain.from_iterable(values)] if len(values) == len(each) else None,
            may_grow=any(part.may_grow for part in each),
            other_bytes=sum(part.other_bytes for part in each),
        )

    def __len__(self) -> int:
        return len(self.documents)

    @overload
    def __getitem__(self, index: int) -> Operation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Operation]: ...
    def __getitem__(self, index: int | slice) -> Operation | Sequence[Operation]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._all())

    def _all(self) -> Sequence[Operation]:
        if self._made is None:
            self._made = self._make()
        return self._made
