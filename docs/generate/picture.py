"""A picture of a terminal, from a real run: `python -m docs.generate.picture docs/pictures/status.svg 80 .venv/bin/workers status`.

The command runs on a terminal of its own, of so many columns, and what is on the screen at its end becomes an SVG, by Rich's
own export. Without Rich's font, which would be fetched from another host: the reader's monospaced font is used.
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

ROWS = 50
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
    if len(sys.argv) < 4:
        sys.stderr.write(f"{__doc__}\n")
        return 64
    target, columns, command = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    shown = " ".join([Path(command[0]).name, *command[1:]])
    target.parent.mkdir(exist_ok=True)
    target.write_text(picture(f"$ {shown}\n{screen(columns, command)}", columns, shown), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
