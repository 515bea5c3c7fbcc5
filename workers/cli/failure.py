"""What a command says when it fails, and its exit code."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from workers.cli.entry import INTERRUPTED
from workers.cli.streams import NO_ROOM
from workers.errors import ExitCode, WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


def exit_code(command: Callable[[], Any], err: Console) -> int:
    """Run a command; return one of `ExitCode`, or 130 after Ctrl-C. A user's mistake is one line, and only a bug a traceback."""
    try:
        code = command()
    except typer.Abort:
        return INTERRUPTED
    except typer.TyperException as error:
        err.print(_of_usage(error), markup=False)
        return ExitCode.USAGE
    except WorkersError as error:
        for line in str(error).splitlines():
            err.print(f"workers: {line}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 the last resort
        if isinstance(error, OSError) and error.filename is None and error.errno in NO_ROOM:
            # Where something of the report is left, it fails again at the end, and `streams.finish` says so.
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                err.print(f"workers: cannot write to standard output: {error.strerror}", markup=False)
            return ExitCode.FAILED
        if isinstance(error, OSError) and error.filename is not None:
            # Not at the top: see `workers.cli`.
            from workers.settings.files import shown

            # A file or a folder that cannot be used is the user's to mend, whichever it is.
            err.print(f"workers: {shown(error.filename)}: {error.strerror}; mend that, and run it again", markup=False)
            return ExitCode.UNAVAILABLE
        err.print("workers: an unexpected error, which is a bug; please report it with this traceback:")
        traceback.print_exc()
        return ExitCode.BUG
    return code if isinstance(code, int) else ExitCode.OK


def _of_usage(error: typer.TyperException) -> str:
    """One line about a mistake on the command line, with the help that would have said it; or that help."""
    message = error.format_message()
    if "\n" in message:
        return message
    path = getattr(getattr(error, "ctx", None), "command_path", "workers")
    said = f"workers: {message.rstrip('.')}".replace(": Value error, ", ": ")
    return f"{said}{' See' if said.endswith('?') else '; see'} `{path} --help`"
