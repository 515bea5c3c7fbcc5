"""Write the pages of the reference again."""

from __future__ import annotations

from pathlib import Path

from docs import metrics
from docs.generate import commands, events, exit_codes, files, logs, payloads, settings

DOCS = Path(__file__).parents[1]
PAGES = {
    "metrics.md": metrics.page,
    "reference/settings.md": settings.make,
    "reference/commands.md": commands.make,
    "reference/exit-codes.md": exit_codes.make,
    "reference/events.md": events.make,
    "reference/logs.md": logs.make,
    "reference/payloads.md": payloads.make,
    "reference/files.md": files.make,
}
"""By the path below docs/."""


def main() -> None:
    for path, make in PAGES.items():
        (DOCS / path).parent.mkdir(exist_ok=True)
        (DOCS / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
