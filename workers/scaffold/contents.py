"""Everything that a folder gets, as text in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers import __version__
from workers.scaffold import Platform
from workers.scaffold.env_file import env_text
from workers.scaffold.originals import originals, relocated, relocated_text, template
from workers.scaffold.systemd import UNIT, service_text

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

EMPTY_FOLDERS = ("var/log", "var/run")
"""supervisord makes no folders, and ends without these."""
ENV_FILE = ".env"
LAUNCHER = "python"


class ScaffoldFile(NamedTuple):
    """One file of a folder."""

    path: str
    """Relative to the folder."""
    content: bytes
    mode: int = 0o644
    """Permissions, less the umask of the process that writes it."""


def contents(folder: Path, platforms: Collection[Platform] = ()) -> list[ScaffoldFile]:
    """The files that this version writes into a folder, in the order in which they are told.

    Args: folder: absolute; it stands in the service of systemd.
    """
    files = [
        ScaffoldFile("README.md", _filled("README.md")),
        # It will hold passwords.
        ScaffoldFile(ENV_FILE, env_text().encode(), 0o600),
        ScaffoldFile(".gitignore", b"/.env\n/.venv/\n/var/\n"),
        ScaffoldFile("local.d/example.conf", _filled("local.d/example.conf")),
    ]
    for path, content in originals().items():
        place = relocated(path)
        files.append(ScaffoldFile(place, relocated_text(content), 0o755 if place == LAUNCHER else 0o644))
    if Platform.SYSTEMD in platforms:
        files.append(ScaffoldFile(UNIT, service_text(folder).encode()))
    if Platform.KUBERNETES in platforms:
        files += [
            ScaffoldFile(f"kubernetes/{name}", _filled(f"kubernetes/{name}"))
            for name in ("Dockerfile", "settings.yaml", "fleet.yaml")
        ]
    return files


def _filled(name: str) -> bytes:
    return template(name).replace("{{VERSION}}", __version__).encode()
