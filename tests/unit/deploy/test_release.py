"""The checklist of a release finds what is missing, tells all of it at once, and builds nothing before it is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.checkout import fresh_copy
from workers import __version__

REPOSITORY = Path(__file__).resolve().parents[3]
RELEASED = f"# Changelog\n\n## Unreleased\n\n## {__version__} - 2026-11-27\n\n- All of it.\n"


def load(tree: Path) -> ModuleType:
    """release.py of a tree: it works on the one that it stands in."""
    spec = importlib.util.spec_from_file_location("release_of_a_tree", tree / "deploy/release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def release() -> ModuleType:
    return load(REPOSITORY)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone with everything committed, that is ready but for what a test changes."""
    tree = fresh_copy(tmp_path / "clone")
    (tree / "CHANGELOG.md").write_text(RELEASED)
    (tree / "var/ci").mkdir(parents=True)
    git(tree, "init", "--quiet")
    commit(tree)
    return tree


def git(tree: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--allow-empty", "--message", "all")
    (tree / "var/ci/green").write_text(git(tree, "rev-parse", "HEAD") + "\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RELEASED, []),
        ("## [1.2.3] - 2026-01-02\n- x\n", []),
        ("## 1.2.3 - 2026-01-02\n- x\n", []),
        ("## 1.2.3\n- x\n", ["has no date"]),
        ("## 1.2.3 - 2026-01-02\n\n## 1.2.2 - 2026-01-01\n- x\n", ["says nothing of 1.2.3"]),
        ("## 1.2.30 - 2026-01-02\n- x\n", ["has no heading"]),
        ("## Unreleased\n\n### Added\n- y\n\n## 1.2.3 - 2026-01-02\n- x\n", ["still has changes under Unreleased"]),
        ("## Unreleased\n- y\n", ["has no heading", "still has changes"]),
    ],
)
def test_the_changelog_has_the_version_and_nothing_that_is_not_released(release, text, said):
    version = __version__ if text == RELEASED else "1.2.3"
    problems = release.changelog_problems(text, version)

    assert len(problems) == len(said)
    assert all(words in problem for words, problem in zip(said, problems, strict=True)), problems


def test_a_clone_in_which_nothing_is_missing_is_ready(repository):
    load(repository).require_ready(__version__)


def test_everything_that_is_missing_is_told_at_once_and_nothing_is_built(repository):
    git(repository, "tag", __version__)
    (repository / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- A change.\n")
    (repository / "SECURITY.md").write_text("# Security\n")
    git(repository, "commit", "--quiet", "--all", "--message", "more")
    (repository / "left").touch()
    ran = subprocess.run(
        [sys.executable, "deploy/release.py"], cwd=repository, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert len(re.findall("^- ", ran.stderr, re.MULTILINE)) == 6, ran.stderr
    for words in ("not clean", "tag", "no heading", "under Unreleased", "SECURITY.md", "run .ci/run here"):
        assert words in ran.stderr
    assert "git tag" not in ran.stdout
    assert not (repository / "dist").exists()


def test_a_wheel_that_lacks_a_file_or_has_a_foreign_one_is_refused(release, tmp_path):
    wheel, sdist = tmp_path / "x.whl", tmp_path / "x.tar.gz"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr(f"kafka_mongo_workers-{__version__}.dist-info/METADATA", "Name: x\n\n# other\n")
        files.writestr("tests/conftest.py", "")

    with tarfile.open(sdist, "w:gz"):
        pass
    with pytest.raises(release.NotReadyError) as told:
        release.require_contents(wheel, sdist, __version__)

    for words in ("has no workers/py.typed", "has tests/conftest.py", "long description", "the sdist has no LICENSE"):
        assert words in str(told.value)
