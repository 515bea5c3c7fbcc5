"""How the fleet of a folder is started, as a command that can be pasted."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

CONF = "supervisord.conf"
IN_A_CLONE = f"deploy/{CONF}"


def conf_of(tree: Path) -> Path | None:
    """The supervisord.conf of a fleet's folder: its own, or in a clone that of deploy/; None: there is none."""
    return next((tree / name for name in (CONF, IN_A_CLONE) if (tree / name).is_file()), None)


def start_command(tree: Path) -> str | None:
    """The command that starts the fleet of this folder; None: there is no supervisord.conf.

    Where a demo was, it is `make demo`: its fleet needs the demo's servers, and their ports.
    """
    conf = conf_of(tree)
    if conf is None:
        return None
    if conf.parent.name == "deploy" and (tree / "var/stack/data").is_dir():
        here = tree.absolute() == Path.cwd()
        return "make demo" if here else f"make -C {shlex.quote(str(tree.absolute()))} demo"
    return f"{pasted('supervisord')} -c {_shown(conf.absolute())}"


def how_to_start(tree: Path) -> str:
    """What to say where no fleet runs in this folder."""
    if command := start_command(tree):
        return f"`{command}` starts one"
    return "there is no supervisord.conf either: `workers init` writes one, or --tree names the folder that has it"


def pasted(program: str, folder: Path = Path()) -> str:
    """What has to be typed for a program of this installation: its name where the shell finds this very one, else its path.

    Args: folder: where it is typed.
    """
    path, found = installed(program), shutil.which(program)
    if found and os.path.realpath(found) == os.path.realpath(path):
        return program
    return _shown(path, folder)


def installed(program: str) -> Path:
    """The program that came with this package: it is beside the running command, or beside this interpreter.

    Another one of the same name, the distribution's supervisord for example, would run a Python without this package.
    """
    folders = [Path(sys.argv[0]).absolute().parent, Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    return next((each / program for each in folders if (each / program).is_file()), Path(program))


def _shown(path: Path, folder: Path = Path()) -> str:
    """Relative where it is below the folder, so that it is short; quoted for a shell."""
    try:
        path = path.relative_to(folder.absolute())
    except (ValueError, OSError):
        return shlex.quote(str(path))
    name = str(path)
    return shlex.quote(name if path.parent != Path() or name == CONF else f"./{name}")
