"""What a folder gets: the clone's own files with the paths of a folder, and nothing that leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from supervisor.options import ServerOptions

from workers.scaffold import Platform
from workers.scaffold.contents import EMPTY_FOLDERS, contents
from workers.scaffold.originals import originals, relocated, relocated_text
from workers.settings.paths import StatePaths

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "own")


def written(folder: Path) -> Path:
    for name in EMPTY_FOLDERS:
        (folder / name).mkdir(parents=True)
    for file in contents(folder, list(Platform)):
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(file.content)
        (folder / file.path).chmod(file.mode)
    return folder


def parsed(conf: Path, tree: Path) -> list[dict[str, Any]]:
    """Everything that supervisord makes of it, with TREE for its tree and CONF for its own folder."""
    options = ServerOptions()
    options.realize(["-c", str(conf)])
    server = {**options.server_configs[0], "section": ""}
    processes = [process for group in options.process_group_configs for process in group.process_configs]
    everything = [server, *(vars(process) for process in processes), {"logfile": options.logfile}]
    return [
        {name: _without(value, conf, tree) for name, value in each.items() if name != "options"} for each in everything
    ]


def _without(value: object, conf: Path, tree: Path) -> str:
    text = str(value).replace(f"{conf.parent}/python", "CONF/python").replace(f"{conf.parent}/..", str(tree))
    return re.sub(r"<[\w.]+ object at \w+>", "", text.replace(str(tree), "TREE"))


def test_the_supervisord_conf_of_a_folder_is_the_clones(folder: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    for name in ("deploy", *EMPTY_FOLDERS):
        (clone / name).mkdir(parents=True)
    (clone / "deploy/supervisord.conf").write_bytes((REPOSITORY / "deploy/supervisord.conf").read_bytes())

    assert parsed(folder / "supervisord.conf", folder) == parsed(clone / "deploy/supervisord.conf", clone)


def test_only_paths_are_changed_in_what_is_shared() -> None:
    for path, content in originals().items():
        assert content == (REPOSITORY / path).read_bytes(), path
        text = relocated_text(content).decode()
        for before, after in zip(content.decode().splitlines(), text.splitlines(), strict=True):
            assert before == after or re.search(
                r"deploy/|%\(here\)s/\.\.|\.\./\.\./var|`make demo`|\]\(\.\./", before
            ), (
                path,
                after,
            )


def test_everything_shared_of_the_clone_is_there() -> None:
    shared = originals()
    for pattern in ("deploy/prometheus/rules/*", "grafana/dashboards/*", "grafana/provisioning/*/*", "docs/runbooks/*"):
        there = [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob(pattern)]
        assert there
        assert set(there) <= shared.keys()


def test_no_text_speaks_of_a_place_that_only_a_clone_has(folder: Path) -> None:
    speak = {
        str(path.relative_to(folder)): found
        for path in folder.rglob("*")
        if path.is_file()
        and (found := re.findall(r"deploy/\S*|stack/|`make |(?<![\w/])\.venv/bin|\bcheckout\b", path.read_text()))
    }
    assert speak == {}


def test_prometheus_finds_its_rules_and_targets_and_every_alert_its_page(folder: Path) -> None:
    conf = yaml.safe_load((folder / "prometheus/prometheus.yml").read_text())
    rules = [path for pattern in conf["rule_files"] for path in (folder / "prometheus").glob(pattern)]
    ((targets,),) = [each["files"] for each in conf["scrape_configs"][0]["file_sd_configs"]]
    pages = [
        rule["annotations"]["runbook_url"]
        for path in rules
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]

    assert (folder / "prometheus" / targets).resolve() == StatePaths(folder).state_dir / "targets.json"
    assert len(pages) > 10
    assert [page for page in pages if not (folder / page).is_file()] == []


def test_every_link_of_a_page_leads_somewhere(folder: Path) -> None:
    broken = {
        f"{page.name}: {link}"
        for page in folder.rglob("*.md")
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / link).exists()
    }
    assert broken == set()


def test_its_readme_names_only_what_is_there_and_is_short(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    named = [word for word in re.findall(r"`([\w./-]+)`", text) if "/" in word or "." in word]

    assert len([line for line in text.splitlines() if line]) <= 14
    assert len(named) > 6
    assert [name for name in named if not (folder / name).exists()] == []


def test_passwords_are_for_their_owner_and_the_launcher_can_be_run() -> None:
    modes = {file.path: file.mode for file in contents(Path("/srv/fleet"), list(Platform))}

    assert (modes.pop(".env"), modes.pop("python"), set(modes.values())) == (0o600, 0o755, {0o644})


def test_a_link_to_a_page_that_a_folder_has_not_is_left_as_its_words() -> None:
    page = b"See [the doctor](../doctor.md#x) and [WorkerDown](WorkerDown.md)."
    assert relocated_text(page) == b"See the doctor and [WorkerDown](WorkerDown.md)."


def test_where_the_clone_has_it_in_deploy_a_folder_has_it_at_its_top() -> None:
    assert relocated("deploy/prometheus/rules/lag.yml") == "prometheus/rules/lag.yml"
    assert relocated("grafana/dashboards/fleet.json") == "grafana/dashboards/fleet.json"
