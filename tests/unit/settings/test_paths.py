"""Every path of a tree: the defaults are those that the fleet is given, and what is set goes over them."""

from __future__ import annotations

import configparser
from pathlib import Path

from workers.settings import load_all
from workers.settings.paths import StatePaths, find_tree

REPOSITORY = Path(__file__).resolve().parents[3]
CONF = REPOSITORY / "deploy/supervisord.conf"


def test_the_defaults_are_those_that_supervisord_gives_its_processes():
    conf = configparser.ConfigParser(interpolation=None, comment_prefixes=(";",))
    conf.read(CONF)
    given = dict(pair.split("=", 1) for pair in conf["eventlistener:watchdog"]["environment"].split(","))
    paths = StatePaths(REPOSITORY)

    def there(value: str) -> Path:
        return Path(value.strip('"').replace("%(here)s", str(CONF.parent))).resolve()

    assert paths.state_dir == there(given["WORKERS_STATE_DIR"])
    assert paths.events_file == there(given["WORKERS_EVENTS_FILE"])
    assert paths.supervisord_socket == there(conf["unix_http_server"]["file"])


def test_the_stack_has_its_socket_where_its_configuration_says():
    conf = configparser.ConfigParser(interpolation=None, comment_prefixes=(";",))
    stack = REPOSITORY / "deploy/stack/supervisord.conf"
    conf.read(stack)
    socket = conf["unix_http_server"]["file"].replace("%(here)s", str(stack.parent))

    assert StatePaths(REPOSITORY).stack_socket == Path(socket).resolve()
    assert StatePaths(REPOSITORY).stack_record("kafka") == StatePaths(REPOSITORY).stack_socket.with_name("kafka.json")


def test_what_is_set_goes_over_the_defaults_and_everything_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = StatePaths(Path("tree"), Path("state"), Path("/var/log/fleet.jsonl"))

    assert (paths.tree, paths.env_file) == (tmp_path / "tree", tmp_path / "tree/.env")
    assert (paths.state_dir, paths.events_file) == (tmp_path / "state", Path("/var/log/fleet.jsonl"))
    assert paths.supervisord_socket == tmp_path / "tree/var/run/supervisord.sock", (
        "this one is not set by WORKERS_STATE_DIR"
    )
    assert list(tmp_path.iterdir()) == []


def fleet(folder: Path, where: str = "supervisord.conf") -> Path:
    conf = folder / where
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text("[program:worker]\ncommand=/opt/python -m workers run\n")
    return folder


def test_in_a_folder_of_a_fleet_it_is_this_fleet_that_is_meant(tmp_path, monkeypatch):
    fleet(tmp_path / "checkout", "deploy/supervisord.conf")
    fleet(tmp_path / "own")
    for here, there in (
        ("checkout", "."),
        ("checkout/deploy", tmp_path / "checkout"),
        ("checkout/var/log/old", tmp_path / "checkout"),
        ("own/var", tmp_path / "own"),
        ("elsewhere", "."),
    ):
        (tmp_path / here).mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / here)
        assert find_tree() == Path(there), here


def test_a_folder_with_settings_of_its_own_is_meant_itself(tmp_path, monkeypatch):
    inside = fleet(tmp_path) / "trial"
    inside.mkdir()
    (inside / ".env").touch()
    monkeypatch.chdir(inside)

    assert find_tree() == Path()


def test_a_supervisord_that_runs_something_else_is_no_fleet(tmp_path, monkeypatch):
    (tmp_path / "supervisord.conf").write_text("[program:cat]\ncommand=/bin/cat\n")
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")

    assert find_tree() == Path()


def test_the_settings_of_the_fleet_count_below_it(tmp_path, monkeypatch):
    """`workers produce` in deploy/ would send test numbers into the topic of the defaults."""
    (fleet(tmp_path) / ".env").write_text("WORKERS_TOPIC=orders\nWORKERS_STATE_DIR=state\n")
    (tmp_path / "deploy").mkdir()
    monkeypatch.chdir(tmp_path / "deploy")
    settings, sources, paths = load_all()

    assert (settings.topic, settings.state_dir) == ("orders", tmp_path / "state")
    assert (sources["WORKERS_TOPIC"], paths.tree) == ("../.env", tmp_path)
    assert load_all(tmp_path / "deploy").settings.topic == "numtest", "who names a folder means this one"
