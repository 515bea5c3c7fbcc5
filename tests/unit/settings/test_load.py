"""Where settings come from: which `.env`, which goes over which, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from workers.errors import BadConfigurationError, ExitCode
from workers.settings import load, load_all


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Another folder than the current one, which has a `.env` that is not meant."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/.env").write_text("WORKERS_TOPIC=of-the-current-folder\nWORKERS_GROUP=of-the-current-folder\n")
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def refused(tree: Path) -> str:
    with pytest.raises(BadConfigurationError) as error:
        load(tree)
    assert error.value.exit_code is ExitCode.CONFIGURATION
    (problem,) = error.value.problems
    assert "\n" not in problem
    return problem


def test_the_env_file_is_the_one_of_the_tree(tree):
    assert load(tree).topic == "numtest", "the tree has none"
    (tree / ".env").write_text("WORKERS_TOPIC=orders\n")

    assert (load(tree).topic, load(tree).group) == ("orders", "counters")
    assert load().topic == "of-the-current-folder"


def test_every_value_is_known_by_where_it_came_from(tree, monkeypatch):
    (tree / "password").write_text("secret\n")
    (tree / ".env").write_text("WORKERS_TOPIC=file\nWORKERS_GROUP=file\nWORKERS_SASL_PASSWORD_FILE=password\n")
    monkeypatch.setenv("WORKERS_GROUP", "variable")
    monkeypatch.setenv("WORKERS_DATABASE", "variable")

    settings, sources, paths = load_all(tree, database="option", collection=None)

    assert (settings.topic, sources["WORKERS_TOPIC"]) == ("file", "../tree/.env")
    assert (settings.group, sources["WORKERS_GROUP"]) == ("variable", "environment")
    assert (settings.database, sources["WORKERS_DATABASE"]) == ("option", "option")
    assert (settings.collection, sources["WORKERS_COLLECTION"]) == ("numtest", "default")
    assert settings.sasl_password.get_secret_value() == "secret"
    assert sources["WORKERS_SASL_PASSWORD"] == str(tree / "password")
    assert sources.keys() == {f"WORKERS_{field.upper()}" for field in type(settings).model_fields}
    assert paths.tree == tree


def test_a_relative_path_is_relative_to_the_env_file_that_it_is_in(tree, monkeypatch):
    (tree / ".env").write_text(
        "WORKERS_STATE_DIR=state\nWORKERS_EVENTS_FILE=told/events.jsonl\nWORKERS_SSL_CAFILE=keys/authority.crt\n"
    )
    Authority(tree / "keys")
    settings, _, paths = load_all(tree)
    assert (paths.state_dir, paths.events_file) == (tree / "state", tree / "told/events.jsonl")
    assert settings.ssl_cafile == tree / "keys/authority.crt"
    monkeypatch.setenv("WORKERS_STATE_DIR", "mine")

    assert load_all(tree).paths.state_dir == Path.cwd() / "mine"
    assert load_all(tree).paths.events_file == tree / "told/events.jsonl"


def test_a_comment_in_the_file_of_the_authority_may_be_in_any_script(tree):
    authority = Authority(tree / "keys")
    comment = "# Autorité de certification\n".encode("latin-1") + "# Zertifizierungsstelle für alle\n".encode()
    (tree / "keys/commented.crt").write_bytes(comment + authority.file.read_bytes())
    (tree / ".env").write_text("WORKERS_SSL_CAFILE=keys/commented.crt\n")

    assert load_all(tree).settings.ssl_cafile == tree / "keys/commented.crt"


def test_without_a_setting_the_paths_are_those_of_the_tree(tree):
    settings, _, paths = load_all(tree)

    assert (settings.state_dir, settings.events_file) == (None, None), "a worker by hand keeps no state"
    assert (paths.state_dir, paths.events_file) == (tree / "var/run", tree / "var/log/events.jsonl")


@pytest.mark.parametrize("named", ["value", "file"])
def test_the_environment_goes_over_the_env_file_also_for_a_secret(tree, tmp_path, monkeypatch, named):
    """Whichever of its two names is used where."""
    (tmp_path / "uri").write_text("mongodb://file")
    told = {"value": "WORKERS_MONGODB_URI=mongodb://value\n", "file": f"WORKERS_MONGODB_URI_FILE={tmp_path}/uri\n"}
    other = "file" if named == "value" else "value"
    (tree / ".env").write_text(told[other])
    name, _, value = told[named].strip().partition("=")
    monkeypatch.setenv(name, value)

    settings, sources, _ = load_all(tree)
    assert settings.mongodb_uri.get_secret_value() == f"mongodb://{named}"
    assert sources["WORKERS_MONGODB_URI"] == ("environment" if named == "value" else f"{tmp_path}/uri")


def test_a_secret_that_is_set_twice_in_one_place_is_refused(tree, tmp_path):
    (tmp_path / "uri").write_text("mongodb://file")
    (tree / ".env").write_text(f"WORKERS_MONGODB_URI=mongodb://a\nWORKERS_MONGODB_URI_FILE={tmp_path}/uri\n")

    assert refused(tree) == (
        "WORKERS_MONGODB_URI and WORKERS_MONGODB_URI_FILE are both set in ../tree/.env; keep one of them"
    )


def test_an_env_file_that_is_a_folder_is_refused(tree):
    (tree / ".env").mkdir()

    assert refused(tree).startswith("../tree/.env cannot be read: Is a directory; make it a text file")


def test_an_env_file_that_is_not_utf8_is_refused(tree):
    (tree / ".env").write_bytes("WORKERS_TOPIC=\u00fcber\n".encode("latin-1"))

    assert refused(tree).startswith("../tree/.env cannot be read: it is not UTF-8 text; make it")


def test_an_env_file_that_may_not_be_read_is_refused(tree):
    (tree / ".env").write_text("WORKERS_TOPIC=orders\n")
    (tree / ".env").chmod(0)
    # Root reads everything, and may be somebody else for a moment.
    own = os.geteuid()
    os.seteuid(65_534 if own == 0 else own)
    try:
        told = refused(tree)
    finally:
        os.seteuid(own)
    assert told.startswith("../tree/.env cannot be read: Permission denied; make it")


def test_a_tree_that_is_a_file_is_refused(tree):
    (tree / "file").touch()

    assert refused(tree / "file").startswith("../tree/file/.env cannot be read: Not a directory; ")


def test_a_byte_order_mark_hides_no_setting(tree):
    (tree / ".env").write_text("\ufeffWORKERS_TOPIC=orders\n")

    assert load(tree).topic == "orders"
