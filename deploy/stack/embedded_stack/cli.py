"""The embedded stack: Apache Kafka and FerretDB (MongoDB's protocol), for trying and testing; Prometheus, if built.

build [kafka] [ferretdb] [prometheus]   make what is missing, once; without a name, the first two
up | down | status                      the whole stack, in the background
run kafka | ferretdb | prometheus       one server, in the foreground: what supervisord starts

With STACK_BROKERS=3, Kafka is a cluster of three brokers: the programs kafka, kafka_2 and kafka_3.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from embedded_stack.failure import ExitCode, Failure
from embedded_stack.settings import BROKERS, KNOWN, Settings

REQUIRED = ("kafka", "ferretdb")
PROGRAMS = (*REQUIRED, "prometheus")


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
        from embedded_stack import artifacts

        artifacts.build(settings, options.part or list(REQUIRED))
    else:
        from embedded_stack import control

        return {"up": control.up, "down": control.down, "status": control.status}[options.command](
            settings
        ) or ExitCode.OK
    return ExitCode.OK


def run(settings: Settings, program: str) -> None:
    """Becomes the server: supervisord's child is the Java or the FerretDB process itself."""
    from embedded_stack import broker, ferretdb, ports, prometheus
    from embedded_stack.processes import Record, die_with

    die_with(os.getppid())
    settings.make_folders()
    for setting, port in settings.ports(program).items():
        ports.require_free(port, setting)
    if program in BROKERS and program not in settings.brokers:
        raise Failure(f"{program} is one of three brokers: set STACK_BROKERS=3", ExitCode.CONFIG)
    others = {"ferretdb": ferretdb, "prometheus": prometheus}
    command = others[program].command(settings) if program in others else broker.command(settings, program)
    Record.write(settings.record(program), settings.address(program))
    try:
        os.execv(command[0], command)
    except FileNotFoundError:
        raise Failure(f"{program} is not built: run `stack.py build {program}`") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stack.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"Settings, as environment variables: {', '.join(sorted(KNOWN))}",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make what is missing, once")
    build.add_argument("part", nargs="*", type=_program, metavar="|".join(PROGRAMS))
    for name, text in (
        ("up", "start it and wait until it serves"),
        ("down", "stop it, and nothing else"),
        ("status", "what runs, where; exit code 0 when all serve"),
    ):
        commands.add_parser(name, help=text)
    commands.add_parser("run", help="one server, in the foreground").add_argument(
        "program", choices=(*BROKERS, *PROGRAMS[1:])
    )
    return parser


def _program(name: str) -> str:
    if name not in PROGRAMS:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(PROGRAMS)}")
    return name
