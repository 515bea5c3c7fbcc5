"""What `workers init` wrote into a folder: by it, files that a person has changed are told from those that nobody has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = ".workers-init.json"
_NOTE = "written by `workers init`, for `workers init --upgrade`: keep it with the other files"


@dataclass
class InitRecord:
    """The version that wrote a folder, for which platforms, and the hash of each file as it was written."""

    version: str
    platforms: list[str] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    """By path in the folder: SHA-256, in hexadecimal."""

    def text(self) -> str:
        """The file."""
        content = {"note": _NOTE, "version": self.version, "for": self.platforms, "sha256": self.hashes}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_record(folder: Path) -> InitRecord | None:
    """The record of a folder. None: it has none, or none that can be understood: then every file there counts as a person's.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        version, platforms, hashes = found["version"], found["for"], found["sha256"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    right = isinstance(version, str) and isinstance(platforms, list) and isinstance(hashes, dict)
    return InitRecord(version, [str(each) for each in platforms], hashes) if right else None


def hash_of(content: bytes) -> str:
    """As the record has it."""
    return hashlib.sha256(content).hexdigest()
