"""The service of systemd for one folder: supervisord stays what runs the fleet, systemd starts it and keeps it."""

from __future__ import annotations

import os
import pwd
import shlex
from typing import TYPE_CHECKING

from workers.fleet.start_command import installed
from workers.scaffold.originals import template

if TYPE_CHECKING:
    from pathlib import Path

SERVICE_USER = "kafka-mongo-workers"
"""Where `workers init` is run by root, which is not to run the fleet."""
UNIT = "systemd/kafka-mongo-workers.service"
"""In the folder."""
_OWNED = {"folder": ".", "var": "var", "env": ".env"}
_NOTE_FOR_ROOT = """\
#
# It does not run as root, but as a user of its own, who owns var/ and may read .env:
#
#   sudo useradd --system --user-group --home-dir {folder} --shell /usr/sbin/nologin {user}
#   sudo chown -R {user}: {var} {env}
"""


def service_text(folder: Path) -> str:
    """The unit. Its user is the one who runs this; supervisord is the one beside this interpreter.

    Args: folder: absolute.
    """
    is_root = os.geteuid() == 0
    user = SERVICE_USER if is_root else _user()
    var = _quoted(str(folder / "var"))
    note = _NOTE_FOR_ROOT.format(user=user, **{name: shlex.quote(str(folder / at)) for name, at in _OWNED.items()})
    words = {
        # A setting that is one path is taken as it stands. `require_usable` has refused %.
        "FOLDER": str(folder),
        "UNIT": shlex.quote(str(folder / UNIT)),
        "NOTE": note if is_root else "",
        "USER": user,
        "CONF": _quoted(str(folder / "supervisord.conf")),
        "VAR": var,
        "SUPERVISORD": _quoted(str(installed("supervisord"))),
        "SUPERVISORCTL": _quoted(str(installed("supervisorctl"))),
    }
    text = template(UNIT)
    for word, value in words.items():
        text = text.replace(f"{{{{{word}}}}}", value)
    return text


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        # A user that only the kernel knows, as in a container.
        return str(os.geteuid())


def _quoted(path: str) -> str:
    """As systemd.syntax(7) has it: quotes where there are spaces, and no specifier.

    In a command a $ would be a variable: $$ is one, and in ReadWritePaths= there is none.
    """
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if set(text) & set(" \t\"'\\;") else text
