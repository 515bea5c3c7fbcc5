"""`workers pause` and `workers resume` on the command line, without a fleet and without Kafka."""

from __future__ import annotations

import json

import pytest

from tests.support.ports import free_ports
from workers.errors import ExitCode
from workers.state.pause_file import pause_file, read_pauses

ROUTES = """
[[route]]
topics = ["orders", "refunds"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("workers.fleet.pause_place.KAFKA_SECONDS", 0.1)
    monkeypatch.setenv("WORKERS_STATE_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("WORKERS_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_ports(1)[0]}")
    return tmp_path


def there(folder):
    return read_pauses(pause_file(folder / "run", "counters")).all


def test_everything_until_it_is_resumed(workers, folder):
    code, out, err = workers("pause", "--because", "backup of  the\tdatabase")
    assert code == ExitCode.OK
    assert "paused everything: backup of the database" in out
    assert "no worker runs in this folder" in out
    assert "Kafka could not be asked" in err

    code, out, _ = workers("pause", "--list")
    assert code == ExitCode.OK
    assert "everything is paused since" in out
    (found,) = json.loads(workers("pause", "--list", "--json")[1])["pauses"]
    assert (found["because"], found["topic"], found["partition"]) == ("backup of the database", None, None)
    assert "@" in found["by"]

    code, out, _ = workers("resume")
    assert code == ExitCode.OK
    assert "resumed everything, paused since" in out
    assert there(folder) == ()
    assert workers("pause", "--list")[1] == "nothing is paused\n"
    assert workers("resume")[:2] == (ExitCode.OK, "nothing was paused\n")


def test_a_partition_is_that_of_the_only_topic(workers, folder):
    code, out, _ = workers("pause", "--partition", "3", "--because", "x", "--json")
    assert code == ExitCode.OK
    report = json.loads(out)
    assert (report["paused"]["topic"], report["paused"]["partition"]) == ("numtest", 3)
    assert (report["in_force"], report["workers"], report["waiting"]) == (True, 0, {})
    assert "not checked that partition 3 of numtest exists" in report["notes"][0]
    assert workers("resume", "--topic", "numtest")[0] == ExitCode.OK
    assert there(folder) == ()


def test_a_nightly_pause_ends_only_its_own(workers, folder):
    workers("pause", "--because", "a person")
    workers("pause", "--because", "night")
    since = there(folder)[1].since
    workers("pause", "--because", "night")
    assert [each.because for each in there(folder)] == ["a person", "night"]
    assert there(folder)[1].since == since, "the same pause, since its beginning"

    code, out, _ = workers("resume", "--because", "night")
    assert code == ExitCode.OK
    assert "everything stays paused" in out
    assert [each.because for each in there(folder)] == ["a person"]


def test_a_part_of_what_is_paused_as_a_whole_cannot_be_resumed(workers, folder):
    workers("pause", "--because", "x")
    workers("pause", "--partition", "1", "--because", "x")

    code, out, _ = workers("resume", "--partition", "1")
    assert code == ExitCode.FAILED
    assert "everything stays paused" in out
    assert len(there(folder)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pause",), "say why with --because"),
        (("pause", "--because", " "), "one line of 1 to 200 characters"),
        (("pause", "--because", "x\x1b[2J"), "one line of 1 to 200 characters"),
        (("pause", "--because", "x" * 201), "one line of 1 to 200 characters"),
        (("pause", "--topic", "nmutest", "--because", "x"), "no route of this fleet has the topic nmutest; there are numtest"),
        (("pause", "--topic", "__consumer_offsets", "--because", "x"), "no route of this fleet"),
        (("pause", "--partition", "-1", "--because", "x"), "greater than or equal to 0"),
        (("pause", "--list", "--topic", "numtest"), "takes no other option"),
        (("resume", "--topic", "nmutest"), "no route of this fleet has the topic nmutest; there are numtest"),
    ],
)  # fmt: skip
def test_a_mistake_changes_nothing(workers, folder, arguments, words):
    code, _, err = workers(*arguments)

    assert code == ExitCode.USAGE
    assert words in err
    assert there(folder) == ()


def test_of_several_topics_a_partition_needs_one(workers, folder, monkeypatch):
    (folder / "routes.toml").write_text(ROUTES)
    monkeypatch.setenv("WORKERS_ROUTES", str(folder / "routes.toml"))

    code, _, err = workers("pause", "--partition", "1", "--because", "x")
    assert code == ExitCode.USAGE
    assert "of which topic? Add --topic; there are orders and refunds" in err

    assert workers("pause", "--topic", "refunds", "--because", "x")[0] == ExitCode.OK
    assert [each.what for each in there(folder)] == ["all of refunds"]


def test_what_a_file_of_somebody_else_says_is_not_lost_by_accident(workers, folder):
    (folder / "run").mkdir()
    pause_file(folder / "run", "counters").write_bytes(b"not ours")

    code, _, err = workers("pause", "--because", "x")
    assert code == ExitCode.UNAVAILABLE
    assert "is torn, or is another file, so everything is paused; `workers resume` writes it anew" in err
    assert "everything is paused" in workers("pause", "--list")[1]
    assert workers("resume")[0] == ExitCode.OK
    assert there(folder) == ()


def test_a_folder_that_cannot_be_written_is_told(workers, folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("WORKERS_STATE_DIR", str(folder / "file" / "run"))

    code, _, err = workers("pause", "--because", "x")
    assert code in (ExitCode.UNAVAILABLE, ExitCode.CONFIGURATION)
    assert "run" in err


def test_a_topic_that_no_route_can_have_is_refused_in_one_line(workers, folder, monkeypatch):
    (folder / "two.toml").write_text("[[route]]\ntopic_pattern = 'a.*'\n[[route]]\ntopic_pattern = '.*b'\n")
    monkeypatch.setenv("WORKERS_ROUTES", "two.toml")
    for command in (["pause", "--because", "x"], ["resume"]):
        code, _, err = workers(*command, "--topic", "ab")
        assert (code, "both match it" in err) == (ExitCode.USAGE, True)
