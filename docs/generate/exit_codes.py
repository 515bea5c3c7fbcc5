"""docs/reference/exit-codes.md: what each exit code means, and what single commands say with it."""

from __future__ import annotations

from docs.generate.commands import everything, exit_codes
from docs.generate.markdown import anchored, as_code, code, meanings, page, table
from workers.errors import ExitCode

HEAD = """
They are part of the interface, so a script may rely on them. No user's mistake ends in a traceback.
"""
SIGNALS = (
    [
        "130",
        "Ctrl-C (SIGINT) ended the command. For `workers chaos`: it has healed what it broke, and nothing wrong was found.",
    ],
    ["143", "SIGTERM ended the command. A worker that is asked to stop by SIGTERM ends with 0."],
)
SUPERVISORD = """
## What supervisord does with them

supervisord starts a worker again whatever its code was. A code that a restart cannot cure, 78 above all, is in
`var/log/supervisord.log`, and its reason in the worker's own log. Two quick crashes in a row make the slot wait before it
joins the group again: see [takeover](../explanation/takeover.md#when-a-worker-crashes-again-and-again).
"""


def make() -> str:
    codes = [[str(int(each)), as_code(text)] for each, text in meanings(ExitCode).items()]
    special = [
        [f"[`{name}`](commands.md#{anchored(name)})", as_code(text)]
        for name, command in everything()
        if (text := exit_codes(command))
    ]
    return page(
        "Exit codes",
        HEAD,
        table(("code", "meaning"), [*codes, *SIGNALS]),
        f"## What a command says with them\n\nThe other commands end with {code('0')} when they have done their work.",
        table(("command", "codes"), special),
        SUPERVISORD,
    )
