"""What `workers init` wrote into a folder: by it, what a person has changed is told from what a new version changes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = ".workers-init.json"
_NOTE = "written by `workers init`, for `workers init --upgrade`: keep it with the other files"


@dataclass
class InitRecord:
    """The version that wrote a folder, for which platforms, and each file as it was written."""

    version: str
    platforms: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """By path in the folder: the text. No secret is in it: `.env` is written with defaults."""

    def text(self) -> str:
        """The file."""
        content = {"note": _NOTE, "version": self.version, "for": self.platforms, "files": self.files}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_record(folder: Path) -> InitRecord | None:
    """The record of a folder. None: it has none, or none that can be understood: then every file there counts as a person's.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        version, platforms = found["version"], found["for"]
        # Text that could be written: JSON can escape half of a surrogate pair, too.
        files = {path: bytes(text, "utf-8").decode() for path, text in found["files"].items()}
    except (FileNotFoundError, NotADirectoryError, AttributeError, ValueError, KeyError, TypeError):
        return None
    right = isinstance(version, str) and isinstance(platforms, list)
    return InitRecord(version, [str(each) for each in platforms], files) if right else None
