"""The files that a clone and the folders of `workers init` have in common. There is one copy of each: the clone's own. In a
folder, what the clone has in deploy/ is at the top, and the texts are the same but for the paths in them.

A wheel carries them inside this package (`[tool.hatch.build.targets.wheel]` in pyproject.toml). In a clone, and in an
editable install of one, they are where the clone has them.
"""

from __future__ import annotations

import re
from pathlib import Path

from workers.errors import NotFoundError

SHARED = (
    "deploy/supervisord.conf",
    "deploy/python",
    "deploy/local.d/README.md",
    "deploy/prometheus/prometheus.yml",
    "deploy/prometheus/rules",
    "grafana/dashboards",
    "grafana/provisioning",
    "docs/runbooks",
)
"""Files, and folders with all that is in them, by their paths in the clone."""

CONF_FOLDER = "deploy/"
_PATHS = (
    # supervisord's own folder is the tree then.
    ("%(here)s/..", "%(here)s"),
    ("../../var/run/targets.json", "../var/run/targets.json"),
    ("python deploy/prometheus/targets.py", "workers init --targets"),
    # Of the servers and the environment that only a clone has.
    (" (`supervisorctl -c deploy/stack/supervisord.conf status`)", ""),
    ("`make demo` makes it again", "make it again, and install the package into it"),
    (CONF_FOLDER, ""),
)
"""In texts: those of the clone, and those of a folder."""
_LINK_OUT = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
"""A link of a runbook to another page of the docs, which a folder has not: its words are left."""

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "originals", _PACKAGE.parents[1])
"""In an installed wheel; in a clone."""


def originals() -> dict[str, bytes]:
    """The content of every shared file, by its path in the clone, in order.

    Raises:
        NotFoundError: the package is not complete.
    """
    return {name: (root() / name).read_bytes() for shared in SHARED for name in _files_of(shared)}


def relocated(path: str) -> str:
    """Where a folder has the file that the clone has at this path."""
    return path.removeprefix(CONF_FOLDER)


def relocated_text(content: bytes) -> bytes:
    """The content of a shared file, with the paths of a folder."""
    text = content.decode()
    for there, here in _PATHS:
        text = text.replace(there, here)
    return _LINK_OUT.sub(r"\1", text).encode()


def root() -> Path:
    """The folder below which the shared files have their paths of the clone.

    Raises:
        NotFoundError: the package is not complete.
    """
    for place in _PLACES:
        if (place / SHARED[0]).is_file():
            return place
    raise _incomplete(SHARED[0])


def template(name: str) -> str:
    """The text of a file that only folders of `workers init` have; {{WORDS}} in it are to be filled in."""
    return (_PACKAGE / "templates" / name).read_text(encoding="utf-8")


def _files_of(shared: str) -> list[str]:
    path = root() / shared
    if path.is_file():
        return [shared]
    if not path.is_dir():
        raise _incomplete(shared)
    # A clone may have files that an editor or a Python left there.
    found = (each for each in path.rglob("*") if each.suffix in (".md", ".yml", ".yaml", ".json"))
    return sorted(str(each.relative_to(root())) for each in found)


def _incomplete(missing: str) -> NotFoundError:
    return NotFoundError(
        f"this installation of kafka-mongo-workers has no {missing}; install it again: pip install --force-reinstall "
        f"kafka-mongo-workers"
    )
