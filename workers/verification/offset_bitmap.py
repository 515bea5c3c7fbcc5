"""A set of offsets as a bitmap: ten million offsets take a little more than a megabyte."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class OffsetBitmap:
    """Offsets from `base` on. Sets of the same base can be subtracted."""

    __slots__ = ("_marks", "base")

    def __init__(self, base: int = 0, bits: int = 0) -> None:
        self.base = base
        self._marks = bytearray(bits.to_bytes((bits.bit_length() + 7) // 8, "little"))

    def add(self, offset: int) -> None:
        """Add one offset, which must be at least `base`."""
        byte, bit = divmod(offset - self.base, 8)
        if byte >= len(self._marks):
            self._marks.extend(bytes(max(byte + 1 - len(self._marks), len(self._marks))))
        self._marks[byte] |= 1 << bit

    def add_all(self, offsets: Sequence[int]) -> None:
        """Add offsets in ascending order, each at least `base`. Quick where none is left out between them."""
        if not offsets or offsets[-1] - offsets[0] + 1 != len(offsets):
            for offset in offsets:
                self.add(offset)
            return
        self.add(offsets[-1])
        first, shift = divmod(offsets[0] - self.base, 8)
        end = (offsets[-1] - self.base) // 8 + 1
        marks = int.from_bytes(self._marks[first:end], "little") | ((1 << len(offsets)) - 1) << shift
        self._marks[first:end] = marks.to_bytes(end - first, "little")

    def _bits(self) -> int:
        return int.from_bytes(self._marks, "little")

    def __sub__(self, other: OffsetBitmap) -> OffsetBitmap:
        return OffsetBitmap(self.base, self._bits() & ~other._bits())

    def __len__(self) -> int:
        return self._bits().bit_count()

    def __contains__(self, offset: int) -> bool:
        byte, bit = divmod(offset - self.base, 8)
        return 0 <= byte < len(self._marks) and bool(self._marks[byte] >> bit & 1)

    @property
    def end(self) -> int:
        """All offsets of the set are less than this."""
        return self.base + 8 * len(self._marks)

    def between(self, first: int, end: int) -> OffsetBitmap:
        """The offsets in [first, end)."""
        low, high = max(0, first - self.base), max(0, end - self.base)
        return OffsetBitmap(self.base, self._bits() & ((1 << high) - 1) >> low << low)

    def all(self) -> Iterator[int]:
        """All offsets, in order."""
        for index, byte in enumerate(self._marks):
            if byte:
                yield from (self.base + index * 8 + bit for bit in range(8) if byte >> bit & 1)
