"""docs/reference/settings.md: every setting, its default, its bounds and its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import SecretStr

from docs.generate.markdown import as_code, code, page, table
from workers.settings import PREFIX, Settings
from workers.settings.policies import POLICIES

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

GROUPS = {
    "Kafka": (
        "bootstrap_servers",
        "Where Kafka is, what is read, and how to log in: [secured servers](../how-to/secured-servers.md).",
    ),
    "MongoDB": ("mongodb_uri", "Where the documents go."),
    "Names and numbers that a document has not": (
        "field_names",
        "Policies; the default of each is a dead letter. Which are exact, and which lossy: [policies](payloads.md#policies).",
    ),
    "What becomes of a record": (
        "value_format",
        "Of every record of the topic; with WORKERS_ROUTES each route has its own: [several topics](../how-to/several-topics.md).",
    ),
    "The place of a process": (
        "slot",
        "Set for each process by `supervisord.conf`, except where several fleets run on one machine.",
    ),
    "Batches and sizes": (
        "max_poll_records",
        "What is read at once, and what is too large: [types and payloads](payloads.md).",
    ),
    "How fast": (
        "max_rate",
        "Limits, for a database that has other work to do: [pause, and limits](../how-to/pause.md).",
    ),
    "What to do with bad records": (
        "max_reject_share",
        "Dead letters, and when to stop: [dead letters](../how-to/dead-letters.md).",
    ),
    "Membership in the group": (
        "static_membership",
        "How fast Kafka notices that a worker is gone: [takeover](../explanation/takeover.md).",
    ),
    "Time limits": (
        "write_timeout",
        "How long things may take. They depend on each other, and a wrong combination is refused at start.",
    ),
    "Recycling": ("max_records", "Ends a worker on purpose, with nothing in flight, so that a fresh one starts."),
    "Logs": ("log_level", "See [log lines](logs.md)."),
}
"""By heading, the first setting of the group, and what the group is for. The order is that of the model."""
OPENERS = {first: (heading, purpose) for heading, (first, purpose) in GROUPS.items()}
HEAD = """
Settings are environment variables. They can also stand in a file `.env`, one `NAME=value` a line:

- `.env` is read from the folder of the fleet: that of `--tree`, else the one in which you are. Relative paths in it are
  relative to its folder.
- The environment overrides `.env`. A command's own options override both.
- Secrets can be read from a file: `WORKERS_MONGODB_URI_FILE`, `WORKERS_SASL_PASSWORD_FILE`.
- An unknown name is an error, and so is a value that would break the promise, for example `w=1` in the URI of MongoDB.
  Every mistake is reported at once, with exit code 78.
- `workers config` shows every value, and where it came from: also which `.env` was read.

`supervisord.conf` sets `WORKERS_STATE_DIR` and `WORKERS_EVENTS_FILE` for its processes. To move these files, set both
variables in `local.d/` for the fleet, and in `.env` for `workers status`, `restart` and `chaos`.
"""


def allowed(field: FieldInfo) -> str:
    """The values that it takes: choices, or bounds; empty where any text of its kind will do."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(code(str(choice)) for choice in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if kind not in (int, float):
        return ""
    least, most, above = (_bound(field, name) for name in ("ge", "le", "gt"))
    if least is not None and most is not None:
        return f"{_number(least)} to {_number(most)}"
    if above is not None:
        return (
            f"more than {_number(above)}, at most {_number(most)}"
            if most is not None
            else f"more than {_number(above)}"
        )
    return f"{_number(least)} or more" if least is not None else ""


def default(field: FieldInfo) -> str:
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value is None or value == ():
        return ""
    return code(str(value).lower() if isinstance(value, bool) else str(value))


def make() -> str:
    parts = [HEAD]
    rows: list[list[str]] = []
    for name, field in Settings.model_fields.items():
        if name in OPENERS:
            heading, purpose = OPENERS[name]
            rows = []
            parts += [f"## {heading}\n\n{purpose}", rows]
        values = ", ".join(code(each.form) for each in POLICIES[name].choices) if name in POLICIES else allowed(field)
        rows.append([code(PREFIX + name.upper()), default(field), values, as_code(field.description or "")])
    head = ("variable", "default", "values", "meaning")
    return page("Settings", *(table(head, part) if isinstance(part, list) else part for part in parts))


def _bound(field: FieldInfo, name: str) -> Any:
    found = [getattr(each, name) for each in field.metadata if getattr(each, name, None) is not None]
    return found[0] if found else None


def _number(value: float) -> str:
    return f"{value:,}"
