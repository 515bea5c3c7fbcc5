"""The embedded stack: Apache Kafka and FerretDB (MongoDB's protocol), for trying and testing.

build [kafka] [ferretdb]   make what is missing, once
up | down | status         the whole stack, in the background
run kafka | run ferretdb   one server, in the foreground: what supervisord starts
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from failure import ExitCode, Failure
from stack_settings import KNOWN, Settings

PROGRAMS = ("kafka", "ferretdb")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.read()
        return _obey(options, settings)
    except Failure as failure:
        print(f"stack: {failure}", file=sys.stderr)
        return failure.code
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"stack: {error.strerror or error}{where}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    except KeyboardInterrupt:
        print("stack: interrupted; the same command goes on from here", file=sys.stderr)
        return ExitCode.INTERRUPTED


def _obey(options: argparse.Namespace, settings: Settings) -> int:
    # Imported where they are needed: `run` is on the way of every restart, and starts fast.
    if options.command == "run":
        run(settings, options.program)
    elif options.command == "build":
        import artifacts

        artifacts.build(settings, options.part or list(PROGRAMS))
    else:
        import control

        return {"up": control.up, "down": control.down, "status": control.status}[options.command](
            settings
        ) or ExitCode.OK
    return ExitCode.OK


def run(settings: Settings, program: str) -> None:
    """Becomes the server: supervisord's child is the Java or the FerretDB process itself."""
    import broker
    import ferretdb
    import ports
    from processes import Record, die_with

    die_with(os.getppid())
    settings.make_folders()
    mine = [name for name in settings.listening if ("MONGODB" in name) == (program == "ferretdb")]
    for setting in mine:
        ports.require_free(settings.listening[setting], setting)
    command = (broker if program == "kafka" else ferretdb).command(settings)
    Record.write(settings.record(program), settings.address(program))
    try:
        os.execv(command[0], command)
    except FileNotFoundError:
        raise Failure(f"{program} is not built: run `stack.py build`") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stack.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"Settings, as environment variables: {', '.join(sorted(KNOWN))}",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make what is missing, once")
    build.add_argument("part", nargs="*", type=_program, metavar="kafka|ferretdb")
    for name, text in (
        ("up", "start it and wait until it serves"),
        ("down", "stop it, and nothing else"),
        ("status", "what runs, where; exit code 0 when both serve"),
    ):
        commands.add_parser(name, help=text)
    commands.add_parser("run", help="one server, in the foreground").add_argument("program", choices=PROGRAMS)
    return parser


def _program(name: str) -> str:
    if name not in PROGRAMS:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(PROGRAMS)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
