"""The fenced blocks of README.md and docs/, and what their marks say.

A block is run as it stands, in the order in which a reader meets it. A comment on the line before its fence says otherwise;
nobody sees it on a rendered page:

    <!-- not run: why it cannot be -->
    <!-- exit: 1 -->                    ends with this code; `0 or 1` for either

In a `console` block a line that begins with `$ ` is a command. The other lines are what it prints: each must be in the real
output, where numbers and ids may differ. `...` stands for lines that are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`]*)$")
MARK = re.compile(r"^ *<!-- (not run|exit): (.+) -->$")
RUN = ("console", "sh", "python")
PARSED = ("ini", "json", "toml", "yaml")
SHOWN = ("", "text", "javascript")
"""Languages of blocks that nothing is done with: output, and what only another program understands."""
PLACES = (
    (r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "UUID"),
    (r"-[0-9a-f]{8}/", "-ID/"),
    (r"\d[\d,.:]*", "0"),
    (r"\s+", " "),
)
"""What may differ between the documentation and a real run."""


@dataclass
class Command:
    """One command of a `console` block, and the lines that it is said to print."""

    text: str
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """One fenced block. `marks`: by word, what the comments before it say."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def exit_codes(self) -> set[int]:
        return {int(code) for code in re.findall(r"\d+", self.marks.get("exit", "0"))}

    @property
    def commands(self) -> list[Command]:
        """Of a `console` block; of any other one the whole text."""
        if self.language == "sh":
            return [Command(self.text)]
        if self.language == "python":
            return [Command(f"python - <<'PYTHON'\n{self.text}\nPYTHON")]
        found: list[Command] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(Command(line.removeprefix("$ ").partition("    #")[0]))
            elif found and found[-1].text.endswith("\\"):
                found[-1].text += "\n" + line
            elif found and line.strip() and line.strip() != "...":
                found[-1].output.append(line)
        return found


def pages() -> list[Path]:
    """In the order in which a reader meets them."""
    first = [REPOSITORY / "README.md", DOCS / "index.md", DOCS / "tutorial.md"]
    rest = [path for path in sorted(DOCS.rglob("*.md")) if path not in first]
    return [*first, *rest]


def blocks(path: Path) -> list[Block]:
    """Raises: ValueError: a fence is not closed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    opened: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened = number, fence
        elif opened is not None and line.strip() == "```":
            start, begin = opened
            text = "\n".join(each.removeprefix(begin["indent"]) for each in lines[start : number - 1])
            name = str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else path.name
            found.append(Block(name, start, begin["info"].strip(), text, _marks(lines[: start - 1])))
            opened = None
    if opened is not None:
        raise ValueError(f"{path}:{opened[0]}: this fence is not closed")
    return found


def _marks(before: list[str]) -> dict[str, str]:
    marks = {}
    for line in reversed(before):
        if not (mark := MARK.match(line)):
            break
        marks[mark[1]] = mark[2]
    return marks


def same(documented: str, printed: str) -> bool:
    """Whether a line of the documentation is this line of a real run, but for numbers and ids."""
    return placeless(documented) in placeless(printed)


def placeless(line: str) -> str:
    for pattern, stands_for in PLACES:
        line = re.sub(pattern, stands_for, line)
    return line.strip()
