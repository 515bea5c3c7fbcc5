"""The content of a file that is overwritten in place: JSON with its length and checksum, so that half of one shows."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TORN_READS = 5


def checked(content: object) -> bytes:
    """What to write to a `StateFile`."""
    text = json.dumps(content).encode()
    return b"%08x %08d\n%s\n" % (zlib.crc32(text), len(text), text)


def read_checked(path: Path) -> Any:
    """What was written last; None: there is no file, it cannot be read, or it holds something else."""
    for _ in range(TORN_READS):
        try:
            head, _, rest = path.read_bytes().partition(b"\n")
            checksum, _, length = head.partition(b" ")
            text = rest[: int(length)]
            if zlib.crc32(text) == int(checksum, 16):
                return json.loads(text)
        except OSError:
            return None
        except ValueError:
            continue
    return None
