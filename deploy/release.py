"""The checklist of a release, up to what is the owner's: the tag and the upload. `make release` runs it.

Nothing leaves this machine. What is missing is told all at once; what is built stands in dist/.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from email.parser import BytesParser
from pathlib import Path

TREE = Path(__file__).absolute().parents[1]
DIST, TRIAL = TREE / "dist", TREE / "var/release"
GREEN = TREE / "var/ci/green"
"""Written by .ci/run: the commit of which every test passed."""
PACKAGED = (
    "workers/py.typed",
    "workers/web/static/fleet.html",
    "workers/scaffold/templates/README.md",
    "workers/scaffold/templates/kubernetes/fleet.yaml",
    "workers/scaffold/templates/systemd/kafka-mongo-workers.service",
    "workers/scaffold/originals/deploy/supervisord.conf",
    "workers/scaffold/originals/deploy/python",
    "workers/scaffold/originals/deploy/prometheus/rules/workers.yml",
    "workers/scaffold/originals/grafana/dashboards/fleet.json",
    "workers/scaffold/originals/docs/runbooks/FleetDown.md",
)
"""What a wheel must carry; the tests compare the rest."""
START_SECONDS = 60


class NotReadyError(Exception):
    """Something of the list is not as it has to be; each line says what to do."""


def main() -> int:
    try:
        version = version_of_package()
        step("the tree, the changelog, the tests")
        require_ready(version)
        step("sdist, and the wheel from it")
        wheel, sdist = build(version)
        step("what an index will say of them")
        run(tool("twine"), "check", "--strict", str(wheel), str(sdist))
        step("what they carry")
        require_contents(wheel, sdist, version)
        step("an environment of its own: install, init, start, stop")
        try_out(wheel, version)
    except NotReadyError as error:
        print(f"\nnot released:\n{error}", file=sys.stderr)
        return 1
    files = " ".join(str(path.relative_to(TREE)) for path in (sdist, wheel))
    print(
        f"\n{version} is ready. What is left is the owner's:\n"
        f"  git tag --annotate {version} --message {version} && git push origin {version}\n"
        f"  .venv/bin/twine upload {files}"
    )
    return 0


def step(what: str) -> None:
    print(f"== {what}", flush=True)


def version_of_package() -> str:
    text = (TREE / "workers/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if not found:
        raise NotReadyError("- workers/__init__.py: __version__ is not three numbers with dots")
    return found[1]


def require_ready(version: str) -> None:
    """Everything that can be seen without building. Raises: NotReadyError: with every problem."""
    problems = []
    if git("status", "--porcelain"):
        problems.append("- the tree is not clean: commit, or remove what `git status` shows")
    if git("tag", "--list", version, f"v{version}"):
        problems.append(f"- the tag {version} is there already: raise __version__ in workers/__init__.py")
    problems += changelog_problems((TREE / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    series = f"{version.rpartition('.')[0]}."
    if series not in (TREE / "SECURITY.md").read_text(encoding="utf-8"):
        problems.append(f"- SECURITY.md does not say whether {series}x is supported")
    head = git("rev-parse", "HEAD")
    green = GREEN.read_text(encoding="utf-8").strip() if GREEN.exists() else "none"
    if green != head:
        problems.append(
            f"- the last commit of which all tests passed is {green[:12]}, and this is {head[:12]}: run .ci/run here"
        )
    if problems:
        raise NotReadyError("\n".join(problems))


def changelog_problems(text: str, version: str) -> list[str]:
    """What is wrong with the changelog for a release of this version, a line each."""
    sections = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    problems = []
    headings = [heading for heading in sections if re.match(rf"\[?{re.escape(version)}\]?(?!\S)", heading)]
    if not headings:
        problems.append(f"- CHANGELOG.md has no heading `## {version} - {time.strftime('%Y-%m-%d')}`")
    elif not re.search(r"\d{4}-\d{2}-\d{2}$", headings[0]):
        problems.append(f"- CHANGELOG.md: the heading `## {headings[0]}` has no date")
    elif not sections[headings[0]].strip():
        problems.append(f"- CHANGELOG.md says nothing of {version}")
    if any("unreleased" in heading.lower() and body.strip() for heading, body in sections.items()):
        problems.append(f"- CHANGELOG.md still has changes under Unreleased: move them under {version}")
    return problems


def build(version: str) -> tuple[Path, Path]:
    """Returns: wheel and sdist. The wheel is made from the sdist, so the sdist is whole."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), str(TREE))
    wheel, sdist = (
        DIST / f"kafka_mongo_workers-{version}-py3-none-any.whl",
        DIST / f"kafka_mongo_workers-{version}.tar.gz",
    )
    for path in (wheel, sdist):
        if not path.is_file():
            raise NotReadyError(
                f"- {path.name} was not built: dist/ has {sorted(each.name for each in DIST.iterdir())}"
            )
    return wheel, sdist


def require_contents(wheel: Path, sdist: Path, version: str) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        metadata = BytesParser().parsebytes(files.read(f"kafka_mongo_workers-{version}.dist-info/METADATA"))
    missing = [name for name in PACKAGED if name not in names]
    alien = [name for name in names if not name.startswith(("workers/", f"kafka_mongo_workers-{version}.dist-info/"))]
    problems = [f"- the wheel has no {name}" for name in missing] + [f"- the wheel has {name}" for name in alien]
    if not str(metadata.get_payload()).startswith("# kafka-mongo-workers"):
        problems.append("- the README is not the long description")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    problems += [
        f"- the sdist has no {name}"
        for name in ("LICENSE", "CHANGELOG.md", "tests/conftest.py", "deploy/supervisord.conf", "var/run/.gitkeep")
        if name not in held
    ]
    if problems:
        raise NotReadyError("\n".join(problems))
    print(f"{len(names)} files in the wheel, {wheel.stat().st_size:,} bytes; the sdist has {sdist.stat().st_size:,}")


def try_out(wheel: Path, version: str) -> None:
    """Install the wheel as a user does, and see every process of a fresh folder run. It needs no servers: workers wait."""
    shutil.rmtree(TRIAL, ignore_errors=True)
    programs = TRIAL / "environment/bin"
    run(sys.executable, "-m", "venv", str(TRIAL / "environment"))
    run(str(programs / "python"), "-m", "pip", "install", "--quiet", str(wheel))
    said = run(str(programs / "workers"), "--version", folder=TRIAL)
    if version not in said:
        raise NotReadyError(f"- the installed package says {said.strip()}")
    # The path of supervisord's socket has to be short, whatever that of this clone is.
    folder = Path(tempfile.mkdtemp(prefix="release-")) / "fleet"
    environment = {"PATH": os.defpath, **free_ports()}
    print(run(str(programs / "workers"), "init", str(folder), folder=TRIAL, environment=environment))
    fleet = subprocess.Popen(
        [programs / "supervisord", "-c", "supervisord.conf"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_running(programs, folder)
    finally:
        fleet.terminate()
        fleet.wait(120)
    shutil.rmtree(folder.parent)


def wait_until_running(programs: Path, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        asked: list[str | Path] = [programs / "supervisorctl", "-c", "supervisord.conf", "status"]
        listed = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False).stdout
        states = [line.split()[1] for line in listed.splitlines() if len(line.split()) > 1]
        if len(states) > 2 and set(states) == {"RUNNING"}:
            print(listed)
            return
        if time.monotonic() > deadline:
            raise NotReadyError(f"- the fleet of {folder} does not run; its logs are in var/log there:\n{listed}")
        time.sleep(0.5)


def free_ports() -> dict[str, str]:
    """For the fleet that is tried: another one may run on this machine."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            first = probe.getsockname()[1]
        try:
            for port in range(first, first + 20):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        names = ("WORKERS_METRICS_PORT", "WORKERS_LAG_PORT", "WORKERS_WATCHDOG_PORT", "WORKERS_AUDITOR_PORT")
        return dict(zip(names, map(str, (first, first + 17, first + 18, first + 19)), strict=True))


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def git(*arguments: str) -> str:
    return run("git", *arguments).strip()


def run(*command: str, folder: Path = TREE, environment: dict[str, str] | None = None) -> str:
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotReadyError(f"- `{' '.join(command)}` ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
