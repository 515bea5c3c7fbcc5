"""`workers init` into a folder in any state: what a person may have written is there afterwards, whatever was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workers.scaffold.plan
from workers import __version__
from workers.errors import BadUsageError
from workers.scaffold.contents import ScaffoldFile
from workers.scaffold.env_file import env_text
from workers.scaffold.init_record import FILE_NAME, InitRecord, read_record
from workers.scaffold.plan import Plan, StepKind, make_plan
from workers.scaffold.write import carry_out, require_usable

OLD, NEW, MINE = b"of the version before\n", b"of this version\n", b"mine\n"


def plan(folder: Path, files: dict[str, bytes], *, upgrade: bool = False) -> Plan:
    wanted = [ScaffoldFile(path, content) for path, content in files.items()]
    return make_plan(folder, wanted, read_record(folder), [], upgrade=upgrade)


def init(folder: Path, files: dict[str, bytes], *, upgrade: bool = False) -> dict[str, StepKind]:
    made = plan(folder, files, upgrade=upgrade)
    carry_out(folder, made)
    return {step.file.path: step.kind for step in made.steps}


def made_before(folder: Path, files: dict[str, bytes]) -> None:
    """By a version before."""
    init(folder, files)
    record = read_record(folder)
    assert record is not None
    (folder / FILE_NAME).write_text(InitRecord("0.0.9", record.platforms, record.files).text())


def test_an_empty_folder_gets_everything_and_a_second_time_changes_nothing(tmp_path):
    assert init(tmp_path / "a/b", {"a.conf": NEW, "x/b.conf": NEW}) == {
        "a.conf": StepKind.WRITTEN,
        "x/b.conf": StepKind.WRITTEN,
    }
    assert (tmp_path / "a/b/x/b.conf").read_bytes() == NEW
    assert (tmp_path / "a/b/var/log").is_dir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.conf")}
    assert set(init(tmp_path / "a/b", {"a.conf": NEW, "x/b.conf": NEW}).values()) == {StepKind.CURRENT}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.conf")} == before


def test_what_nobody_changed_is_upgraded_and_only_when_that_is_asked_for(tmp_path):
    made_before(tmp_path, {"a.conf": OLD})

    assert init(tmp_path, {"a.conf": NEW}) == {"a.conf": StepKind.OUTDATED}
    assert ((tmp_path / "a.conf").read_bytes(), read_record(tmp_path).version) == (OLD, "0.0.9")
    assert init(tmp_path, {"a.conf": NEW}, upgrade=True) == {"a.conf": StepKind.REPLACED}
    assert ((tmp_path / "a.conf").read_bytes(), read_record(tmp_path).version) == (NEW, __version__)


def test_what_a_person_changed_stays_and_the_new_one_is_beside_it_once(tmp_path):
    made_before(tmp_path, {"a.conf": OLD})
    (tmp_path / "a.conf").write_bytes(MINE)

    assert init(tmp_path, {"a.conf": OLD}, upgrade=True) == {"a.conf": StepKind.YOURS}
    assert init(tmp_path, {"a.conf": NEW}, upgrade=True) == {"a.conf": StepKind.BESIDE}
    assert ((tmp_path / "a.conf").read_bytes(), (tmp_path / "a.conf.new").read_bytes()) == (MINE, NEW)
    # It was told, and the person may have removed it.
    (tmp_path / "a.conf.new").unlink()
    assert init(tmp_path, {"a.conf": NEW}, upgrade=True) == {"a.conf": StepKind.YOURS}
    assert not (tmp_path / "a.conf.new").exists()


def test_what_a_person_and_a_version_changed_in_one_file_is_merged(tmp_path):
    made_before(tmp_path, {"a.conf": b"one\ntwo\nthree\n"})
    (tmp_path / "a.conf").write_bytes(b"ONE\ntwo\nthree\n")

    assert init(tmp_path, {"a.conf": b"one\ntwo\nTHREE\n"}) == {"a.conf": StepKind.OUTDATED}
    assert init(tmp_path, {"a.conf": b"one\ntwo\nTHREE\n"}, upgrade=True) == {"a.conf": StepKind.MERGED}
    assert (tmp_path / "a.conf").read_bytes() == b"ONE\ntwo\nTHREE\n"
    # The next version's changes are to this one, not to the first.
    assert init(tmp_path, {"a.conf": b"one\ntwo\n3\n"}, upgrade=True) == {"a.conf": StepKind.MERGED}
    assert (tmp_path / "a.conf").read_bytes() == b"ONE\ntwo\n3\n"
    assert not (tmp_path / "a.conf.new").exists()


def test_a_merge_that_was_killed_before_the_record_is_not_done_twice(tmp_path):
    made_before(tmp_path, {"a.conf": b"one\ntwo\nthree\n"})
    record = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / "a.conf").write_bytes(b"ONE\ntwo\nthree\n")
    new = {"a.conf": b"one\ntwo\nthree\nfour\n"}
    init(tmp_path, new, upgrade=True)
    (tmp_path / FILE_NAME).write_bytes(record)

    assert init(tmp_path, new, upgrade=True) == {"a.conf": StepKind.YOURS}
    assert (tmp_path / "a.conf").read_bytes() == b"ONE\ntwo\nthree\nfour\n"


def test_a_file_that_was_there_before_any_init_is_a_persons(tmp_path):
    (tmp_path / "a.conf").write_bytes(MINE)

    assert init(tmp_path, {"a.conf": NEW}) == {"a.conf": StepKind.BESIDE}
    assert ((tmp_path / "a.conf").read_bytes(), (tmp_path / "a.conf.new").read_bytes()) == (MINE, NEW)


def test_a_persons_env_gets_new_settings_as_comments(tmp_path):
    mine = env_text().replace("WORKERS_TOPIC=numtest", "WORKERS_TOPIC=orders").encode()
    made_before(tmp_path, {".env": b"#WORKERS_TOPIC=\n"})
    (tmp_path / ".env").write_bytes(b"WORKERS_TOPIC=orders\n")

    assert init(tmp_path, {".env": env_text().encode()}, upgrade=True) == {".env": StepKind.MERGED}
    assert (tmp_path / ".env").read_bytes().startswith(b"WORKERS_TOPIC=orders\n")
    assert b"#WORKERS_GROUP=counters\n" in (tmp_path / ".env").read_bytes()
    # Other words for settings that it has already are nothing to be told of.
    (tmp_path / ".env").write_bytes(mine)
    assert init(tmp_path, {".env": env_text().encode() + b"# more\n"}, upgrade=True) == {".env": StepKind.YOURS}
    assert (tmp_path / ".env").read_bytes() == mine


def test_what_a_person_removed_stays_away_at_an_upgrade_and_comes_back_at_an_init(tmp_path):
    made_before(tmp_path, {"a.conf": OLD, "b.conf": OLD})
    (tmp_path / "a.conf").unlink()

    assert init(tmp_path, {"a.conf": NEW, "c.conf": NEW}, upgrade=True) == {
        "a.conf": StepKind.LEFT_OUT,
        "c.conf": StepKind.WRITTEN,
        "b.conf": StepKind.OBSOLETE,
    }
    assert (tmp_path / "b.conf").read_bytes() == OLD
    assert init(tmp_path, {"a.conf": NEW, "c.conf": NEW}) == {"a.conf": StepKind.WRITTEN, "c.conf": StepKind.CURRENT}


@given(
    present=st.sampled_from([None, OLD, NEW, MINE]),
    known=st.sampled_from([None, OLD, NEW, b"of a third version\n"]),
    upgrades=st.lists(st.booleans(), min_size=1, max_size=3),
)
def test_nothing_that_a_person_wrote_is_ever_lost(tmp_path_factory, present, known, upgrades):
    """Whatever was there is there, unless it is what some version wrote, by the record."""
    folder = tmp_path_factory.mktemp("own")
    if present is not None:
        (folder / "a.conf").write_bytes(present)
    if known is not None:
        (folder / FILE_NAME).write_text(InitRecord("0.0.9", [], {"a.conf": known.decode()}).text())
    for upgrade in upgrades:
        init(folder, {"a.conf": NEW}, upgrade=upgrade)

    if present is not None:
        replaced = present == known and any(upgrades)
        assert (folder / "a.conf").read_bytes() == (NEW if replaced else present)
    elif known is None or not all(upgrades):
        assert (folder / "a.conf").read_bytes() == NEW
    beside = folder / "a.conf.new"
    assert not beside.exists() or beside.read_bytes() == NEW


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 1}',
        '{"version": "1", "for": 3, "files": {}}',
        '{"version": "1", "for": [], "files": {"a.conf": 3}}',
        '{"version": "1", "for": [], "files": {"a.conf": "\\ud800"}}',
        '{"version": "1", "for": [], "files": []}',
    ],
)
def test_a_damaged_record_makes_every_file_a_persons(tmp_path, text):
    init(tmp_path, {"a.conf": OLD})
    (tmp_path / FILE_NAME).write_text(text)

    assert init(tmp_path, {"a.conf": NEW}, upgrade=True) == {"a.conf": StepKind.BESIDE}
    assert (tmp_path / "a.conf").read_bytes() == OLD


def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(tmp_path):
    made_before(tmp_path / "own", {"a.conf": OLD, "b.conf": OLD})
    (tmp_path / "own/a.conf").rename(tmp_path / "elsewhere")
    (tmp_path / "own/a.conf").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own/b.conf").chmod(0o640)
    init(tmp_path / "own", {"a.conf": NEW, "b.conf": NEW}, upgrade=True)

    assert (tmp_path / "own/a.conf").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == NEW
    assert (tmp_path / "own/b.conf").stat().st_mode & 0o777 == 0o640


def test_a_file_that_appears_between_the_plan_and_the_writing_is_not_overwritten(tmp_path):
    made = plan(tmp_path, {"a.conf": NEW})
    (tmp_path / "a.conf").write_bytes(MINE)

    with pytest.raises(FileExistsError):
        carry_out(tmp_path, made)
    assert (tmp_path / "a.conf").read_bytes() == MINE
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.conf"]


def test_going_back_to_the_version_before_is_an_upgrade_too(tmp_path, monkeypatch):
    init(tmp_path, {"a.conf": NEW})
    monkeypatch.setattr(workers.scaffold.plan, "__version__", "0.0.9")

    assert init(tmp_path, {"a.conf": OLD}, upgrade=True) == {"a.conf": StepKind.REPLACED}
    assert read_record(tmp_path).version == "0.0.9"


def test_a_folder_in_which_no_fleet_could_run_is_refused(monkeypatch, tmp_path):
    # Relative, and so short: what is refused first is a long path.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clone/deploy").mkdir(parents=True)
    (tmp_path / "clone/deploy/supervisord.conf").touch()
    for name, why in (
        ("clone", "of a clone"),
        ("clone/deploy", "of a clone"),
        ("a%b", "'%'"),
        ('a"b', "'\"'"),
        ("x" * 120, "99 is the most"),
    ):
        with pytest.raises(BadUsageError, match=why):
            require_usable(Path(name))
    for name in ("a b", "a,b", "é", "a;b"):
        require_usable(Path("/") / name)
