"""`make release` from the clean tree to the two commands that are the owner's."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import fresh_copy
from workers import __version__

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


def test_the_checklist_ends_with_what_is_the_owners(tmp_path: Path) -> None:
    if importlib.util.find_spec("twine") is None:
        pytest.skip("twine is not installed: make .venv/release")
    tree = fresh_copy(tmp_path / "clone")
    (tree / "CHANGELOG.md").write_text(f"# Changelog\n\n## {__version__} - 2026-11-27\n\n- All of it.\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *arguments], cwd=tree, check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=tree, capture_output=True, text=True, check=True).stdout
    (tree / "var/ci").mkdir(parents=True)
    (tree / "var/ci/green").write_text(head)

    ran = subprocess.run(
        [sys.executable, tree / "deploy/release.py"], cwd="/", capture_output=True, text=True, check=False, timeout=400
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    *_, tag, upload = ran.stdout.strip().splitlines()
    assert tag.strip() == f"git tag --annotate {__version__} --message {__version__} && git push origin {__version__}"
    assert (
        f"twine upload dist/kafka_mongo_workers-{__version__}.tar.gz dist/kafka_mongo_workers-{__version__}-py3"
        in upload
    )
    assert ran.stdout.count("RUNNING") >= 6
    # It looked, and left the tree as it was.
    assert not subprocess.run([*git, "status", "--porcelain"], cwd=tree, capture_output=True, check=True).stdout
