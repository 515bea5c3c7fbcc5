"""docs/ARCHITECTURE.md is the map of this tree: nothing is missing in it, and every place and test that it names exists."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PRODUCT = REPOSITORY / "workers"
DOC = (REPOSITORY / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
MAP = DOC.split("\n## File map\n")[1].split("\n## ")[0]
MOST_LINES = 680
PLACE = re.compile(r"`([\w/]+\.py):(\w+(?:\.\w+)?)`")
GOALS = {"One record": 13, "One `kill -9`": 8, "`workers status`": 8, "`workers verify`": 11}
"""By the beginning of its heading: how many files a reader has to open to follow one way through the code."""


def names(path: Path) -> set[str]:
    """What a module defines: `name`, and `Class.name` for what a class defines."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for name in defined(node):
            found.add(name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for each in node.body for name in defined(each)}
    return found


def defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def rows() -> list[tuple[str, list[str]]]:
    """The modules of the file map, with their key names."""
    cells = re.findall(r"^\| `([\w/]+\.py)` \| [^|]+ \|([^|]*)\|$", MAP, re.MULTILINE)
    return [(path, re.findall(r"`(\w+)`", key)) for path, key in cells]


def test_every_module_stands_in_the_file_map_once_and_no_other():
    modules = sorted(str(path.relative_to(PRODUCT)) for path in PRODUCT.rglob("*.py") if path.name != "__init__.py")

    assert sorted(path for path, _ in rows()) == modules


def test_every_package_stands_in_the_file_map_once_and_no_other():
    packages = sorted(f"{path.parent.relative_to(REPOSITORY)}/" for path in PRODUCT.rglob("__init__.py"))

    assert sorted(re.findall(r"^\| \*\*`([\w/]+/)`\*\* \|", MAP, re.MULTILINE)) == packages


def test_every_module_defines_its_key_names():
    missing = {path: absent for path, key in rows() if (absent := set(key) - names(PRODUCT / path))}

    assert not missing, missing


def test_the_layers_are_those_of_the_import_contract():
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    drawn = [re.split(" {2,}", line.strip())[0] for line in DOC.split("```")[1].strip("\n").splitlines()]

    assert drawn == [layer.replace("workers.", "") for layer in layers]


def test_every_file_and_every_name_in_it_exists():
    places = PLACE.findall(DOC)
    files = {file for file in re.findall(r"`([\w/]+\.py)`", DOC) if not file.startswith("tests/")}

    assert len(places) > 40
    assert sorted(file for file in files | {file for file, _ in places} if not (PRODUCT / file).is_file()) == []
    assert [f"{file}:{name}" for file, name in places if name not in names(PRODUCT / file)] == []


def test_every_test_and_mutant_that_it_names_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+(?:::\w+)?)`", DOC))
    mutants = set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"mutants? (`\w+`(?:, `\w+`)*)", DOC))))

    assert len(named) > 25
    assert [
        f"{file}::{name}" for file, name in sorted(named) if name.replace("::", ".") not in names(REPOSITORY / file)
    ] == []
    assert mutants
    assert mutants <= names(REPOSITORY / "tests/model/mutants.py")


def test_every_rule_that_is_not_obvious_names_its_test():
    rules = re.findall(r"^\d+\. \*\*.+$", DOC.split("\n## Non-obvious\n")[1], re.MULTILINE)

    assert len(rules) > 12
    assert [rule for rule in rules if "`tests/" not in rule] == []


def test_the_ways_through_the_code_are_as_short_as_they_say():
    for heading, goal in GOALS.items():
        section = next(each for each in DOC.split("\n## ") if each.startswith(heading))
        (paragraph,) = [each for each in section.split("\n\n") if re.match(r"\*\*\d+ files:\*\*", each)]
        files = set(re.findall(r"`([\w/]+\.py)", paragraph))
        assert int(re.findall(r"\d+", paragraph)[0]) == len(files) <= goal, f"{heading}: {sorted(files)}"


def test_every_link_leads_somewhere_and_it_is_short_enough_to_be_read():
    links = re.findall(r"\]\(([^)#:]+)\)", DOC)

    assert [link for link in links if not (REPOSITORY / "docs" / link).exists()] == []
    assert len(DOC.splitlines()) <= MOST_LINES
