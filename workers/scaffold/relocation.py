"""From the clone's layout to that of a folder: what the clone has in deploy/ is in the folder itself.

The text stays the same but for the paths in it.
"""

from __future__ import annotations

CONF_FOLDER = "deploy/"
_TEXTS = (
    # supervisord's own folder is the tree then.
    ("%(here)s/..", "%(here)s"),
    ("../../var/run/targets.json", "../var/run/targets.json"),
    ("python deploy/prometheus/targets.py", "workers init --targets"),
    (CONF_FOLDER, ""),
)


def relocated(path: str) -> str:
    """Where a folder has the file that the clone has at this path."""
    return path.removeprefix(CONF_FOLDER)


def relocated_text(content: bytes) -> bytes:
    """The content of a shared file, with the paths of a folder."""
    text = content.decode()
    for there, here in _TEXTS:
        text = text.replace(there, here)
    return text.encode()
