"""A real disk that is full or read-only: a small tmpfs. Mounting needs root; a test that may not do so is skipped.

with full_disk(tmp_path / "disk") as disk:
    ... disk.folder ..., disk.make_room(), disk.fill() ...
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """`folder` is on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """To the last byte."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (65_536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def make_room(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk(folder: Path, *, fill: bool = True, size: str = "512k") -> Iterator[Disk]:
    """A disk of its own at this folder, which may exist; what was below it is hidden meanwhile."""
    folder.mkdir(exist_ok=True)
    _mount(folder, 0, size)
    try:
        disk = Disk(folder)
        if fill:
            disk.fill()
        yield disk
    finally:
        # Also while processes still have files there.
        _libc.umount2(os.fsencode(folder), MNT_DETACH)


@contextlib.contextmanager
def read_only_disk(folder: Path, prepare: Callable[[Path], object]) -> Iterator[Path]:
    """Args: prepare: called with the folder while it can be written; nothing of it may stay open for writing."""
    with full_disk(folder, fill=False):
        prepare(folder)
        _mount(folder, MS_REMOUNT | MS_RDONLY, "512k")
        yield folder


def _mount(folder: Path, flags: int, size: str) -> None:
    if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, f"size={size}".encode()) != 0:
        pytest.skip(f"this user may not mount a disk of its own: {os.strerror(ctypes.get_errno())}")
