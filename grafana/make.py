"""Writes dashboards/*.json, as fleet.py (with causes.py) and worker.py say: edit those, and run `make dashboards`."""

from __future__ import annotations

from pathlib import Path

from fleet import fleet
from frame import text
from worker import worker

FOLDER = Path(__file__).parent / "dashboards"


def made() -> dict[str, str]:
    """By name of the file."""
    return {"fleet.json": text(fleet()), "worker.json": text(worker())}


if __name__ == "__main__":
    for name, content in made().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
