"""Environments for peers that are Python packages: no dependencies of the product, nor of its tests.

Each is made when a bench first runs the peer, from a requirements file with hashes (requirements/bench-*.txt, written by
`make lock`), and made again when that file has changed. `make clean` removes them with what else was built.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from embedded_stack.artifacts import _alone
from embedded_stack.failure import Failure
from embedded_stack.settings import Settings, make_folder

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
INSTALL_SECONDS = 600


def requirements(peer: str) -> Path:
    return REQUIREMENTS / f"bench-{peer}.txt"


def interpreter(peer: str) -> Path:
    """The Python that has the peer's packages; `build` makes it."""
    return _folder(Settings.read(), peer) / "bin" / "python"


def version(package: str, peer: str) -> str:
    """`package` and its number, as the requirements of the peer have it."""
    for line in requirements(peer).read_text().splitlines():
        if line.startswith(f"{package}=="):
            return f"{package} {line.split()[0].removeprefix(f'{package}==')}"
    raise ValueError(f"{requirements(peer)} has no {package}")


def build(peer: str) -> None:
    """Install what is missing.

    Raises:
        Failure: it cannot be installed, and why.
    """
    settings = Settings.read()
    make_folder(settings.build_dir)
    with _alone(settings):
        folder = _folder(settings, peer)
        # Written last: an environment without it was not finished.
        mark, wanted = folder / "installed", hashlib.sha256(requirements(peer).read_bytes()).hexdigest()
        if mark.exists() and mark.read_text() == wanted:
            return
        print(f"installing Python packages ({requirements(peer).stem})", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        require(sys.executable, "-m", "venv", str(folder))
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        require(*pip, "install", "--quiet", "--require-hashes", "-r", str(requirements(peer)))
        mark.write_text(wanted)


def require(*command: str) -> None:
    """Run it; raises `Failure` with its last line where it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"`{' '.join(command[-4:])}` took longer than {INSTALL_SECONDS} s") from None
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines() or ["without a word"]
        raise Failure(f"`{' '.join(command[-4:])}` ended with {ended.returncode}: {lines[-1]}")


def _folder(settings: Settings, peer: str) -> Path:
    return settings.build_dir / f"bench-{peer}"
