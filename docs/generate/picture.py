"""The pictures of terminals in docs/, from real runs: `make demo`, then `.venv/bin/python -m docs.generate.picture`.

Each command runs on a terminal of its own, of 80 columns, and what is on the screen at its end becomes an SVG, by Rich's own
export. Without Rich's font, which would be fetched from another host: the reader's monospaced font is used. With names
of pictures behind it, only these are made.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

PICTURES = {
    "verify": ["verify", "--wait", "60"],
    "status": ["status"],
    "kill": ["kill"],
    "doctor": ["doctor"],
}
"""By the name of the picture, the arguments of `workers`. They are made in this order."""
FOLDER = Path(__file__).parents[1] / "pictures"
WORKERS = str(Path(sys.executable).parent / "workers")
COLUMNS, ROWS = 80, 50
FONT_FACES = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
FORMAT = FONT_FACES.sub("\n", CONSOLE_SVG_FORMAT).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace"
)


def screen(columns: int, command: list[str]) -> str:
    """What a command writes to a terminal. Each line is as it was last drawn."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            read = os.read(ours, 65_536)
        except OSError:
            break
        if not read:
            break
        written += read
    process.wait()
    os.close(ours)
    return drawn(written.decode(errors="replace"))


def drawn(written: str) -> str:
    """The last state of each line: progress that was drawn over itself is left out, as a terminal does."""
    lines = [""]
    for part in re.split(r"(\x1b\[\d*A|\x1b\[2K|\r\n|\n|\r)", re.sub(r"\x1b\[\?25[hl]", "", written)):
        if part in ("\n", "\r\n"):
            lines.append("")
        elif part in ("\r", "\x1b[2K"):
            lines[-1] = ""
        elif re.fullmatch(r"\x1b\[\d*A", part):
            del lines[len(lines) - int(re.sub(r"\D", "", part) or 1) :]
            lines = lines or [""]
            lines[-1] = ""
        else:
            lines[-1] += part
    return "\n".join(lines).strip("\n")


def picture(text: str, columns: int, title: str) -> str:
    """The SVG of this text, with its colours."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True,
            width=columns,
            file=nowhere,
            force_terminal=True,
            color_system="truecolor",
            legacy_windows=False,
        )
        console.print(Text.from_ansi(text), soft_wrap=False)
        svg = console.export_svg(
            title=title, theme=DIMMED_MONOKAI, code_format=FORMAT, unique_id=re.sub(r"\W+", "-", title)
        )
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def main() -> int:
    if unknown := set(sys.argv[1:]) - PICTURES.keys():
        sys.stderr.write(f"there is no picture {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}\n")
        return 64
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        shown = " ".join(["workers", *PICTURES[name]])
        text = screen(COLUMNS, [WORKERS, *PICTURES[name]])
        (FOLDER / f"{name}.svg").write_text(picture(f"$ {shown}\n{text}", COLUMNS, shown), encoding="utf-8")
        sys.stdout.write(f"docs/pictures/{name}.svg: {shown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
