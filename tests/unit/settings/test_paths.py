"""Every path of a tree: the defaults are those that the fleet is given, and what is set goes over them."""

from __future__ import annotations

import configparser
from pathlib import Path

from workers.settings.paths import StatePaths

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
