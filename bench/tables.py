"""One table, for the terminal and for docs/."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table as RichTable

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
COMPARED = DOCS / "explanation" / "compared.md"
RESULTS = DOCS / "bench"


@dataclass(frozen=True)
class Table:
    """The first column is text, the others are figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def show(self, console: Console, title: str) -> None:
        table = RichTable(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self, *, figures: bool = True) -> str:
        """Args: figures: that all but the first column are such, and stand to the right."""
        lines = [self.columns, ["---", *["---:" if figures else "---"] * (len(self.columns) - 1)], *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def console() -> Console:
    """Wide enough for the tables, in a log as well."""
    found = Console(highlight=False)
    return Console(highlight=False, width=max(found.width, 150))


def between(page: str, name: str, text: str) -> str:
    """The page with this text between the two comments that bear the name.

    Raises:
        ValueError: the page has no such comments, or has them twice.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    replaced, count = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}{text}{end}", page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has {count} times the comments {begin.strip()} ... {end.strip()}")
    return replaced


def store(name: str, results: Any) -> None:
    """Write docs/bench/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")


def publish(name: str, text: str, results: Any, svg: str) -> None:
    """Write docs/bench/<name>.json and .svg, and the text with a word on the machine into docs/performance.md."""
    store(name, results)
    (RESULTS / f"{name}.svg").write_text(svg)
    write_between(PAGE, name, f"\n{text}\n{_machine_line()}\n\n")


def write_between(page: Path, name: str, text: str) -> None:
    """Put this text between the two comments of a page that bear the name."""
    page.write_text(between(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def machine() -> dict[str, Any]:
    """What it was measured on, without its name."""
    return {
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "kafka-python": version("kafka-python"),
        "pymongo": version("pymongo"),
    }


def _machine_line() -> str:
    is_ = machine()
    return (
        f"(Measured on {is_['cores']} cores, {is_['architecture']}, {is_['system']}, Python {is_['python']}, "
        f"kafka-python {is_['kafka-python']}, pymongo {is_['pymongo']}.)"
    )
