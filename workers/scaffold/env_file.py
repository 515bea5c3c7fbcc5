"""`.env`, with every setting as a comment, made from the settings themselves."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import SecretStr

from workers.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

FIRST = ("bootstrap_servers", "topic", "group", "mongodb_uri", "database", "collection")
"""What has to be thought of first; all others are fine for most fleets."""
GROUPS = {
    "security_protocol": "Kafka: encryption and login",
    "metrics_host": "Ports",
    "max_poll_records": "Batches and limits of values",
    "max_reject_share": "What becomes of bad and of lost records",
    "memory_limit": "Memory",
    "static_membership": "Membership and timeouts, in seconds",
    "max_records": "Recycling",
    "log_level": "Logs",
}
"""By the first setting of each group, in the order of the model. A setting that is new joins the group before it."""
OF_THE_FLEET = ("slot", "state_dir", "events_file")
"""supervisord.conf gives these to its processes, and its word counts there."""
_WIDTH = 100
_HEAD = """\
# The settings of the fleet in this folder, and of the commands that are run in it. `workers config` shows what is in effect,
# and where each value came from; a variable of the environment goes over this file. After a change: workers restart
#
# A line that begins with # is not read. Quote a value that holds a space or a #. A secret may stand in a file of its own:
# WORKERS_MONGODB_URI_FILE, WORKERS_SASL_PASSWORD_FILE. Relative paths are relative to this folder."""
_NAMED = re.compile(rf"^[#\s]*(?:export\s+)?({PREFIX}[A-Z0-9_]+)\s*=", re.MULTILINE)


def env_text() -> str:
    """The whole file: those that one must think of first with their defaults, all others as comments."""
    fields = Settings.model_fields
    lines = [_HEAD, *_heading("First of all"), *(line for name in FIRST for line in _lines(name, fields[name], ""))]
    for name, field in fields.items():
        if GROUPS.get(name):
            lines += _heading(str(GROUPS[name]))
        if name not in (*FIRST, *OF_THE_FLEET):
            lines += _lines(name, field, "#")
    lines += _heading("What supervisord.conf sets for its processes; here, for the commands alone")
    lines += (line for name in OF_THE_FLEET for line in _lines(name, fields[name], "#"))
    return "\n".join(lines) + "\n"


def missing_settings(text: str) -> list[str]:
    """The settings that a `.env` does not mention, not even in a comment, by their variables."""
    # A secret that stands in a file of its own is mentioned, too; WORKERS_EVENTS_FILE is a setting by itself.
    named = {name for found in _NAMED.findall(text) for name in (found, found.removesuffix("_FILE"))}
    return [variable(name) for name in Settings.model_fields if variable(name) not in named]


def with_settings(text: str, variables: Iterable[str], version: str) -> str:
    """A person's `.env`, with these settings as comments at its end. Not one character before them is changed."""
    lines = _heading(f"New in {version}")
    for name in variables:
        field = name.removeprefix(PREFIX).lower()
        lines += _lines(field, Settings.model_fields[field], "#")
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}" + "\n".join(lines) + "\n"


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def _heading(words: str) -> list[str]:
    return ["", f"# --- {words} ---"]


def _lines(name: str, field: FieldInfo, mark: str) -> list[str]:
    words = f"{field.description}{_choices(field.annotation)}"
    return ["", *(f"# {line}" for line in textwrap.wrap(words, _WIDTH)), f"{mark}{variable(name)}={_default(field)}"]


def _default(field: FieldInfo) -> str:
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None else str(default)


def _choices(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        *others, last = get_args(annotation)
        return f" ({', '.join(others)} or {last})"
    return " (True or False)" if annotation is bool else ""
