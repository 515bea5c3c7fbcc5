"""A fresh clone, as `git clone` would make it, with what is not committed yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.embedded import REPOSITORY


def fresh_copy(target: Path) -> Path:
    """Every file that git knows or would take, and nothing that was made here at run time."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name)
    return target
