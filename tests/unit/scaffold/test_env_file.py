"""The `.env` of a folder: every setting once, and what stands there is what counts without it."""

from __future__ import annotations

import re

from workers.scaffold.env_file import FIRST, env_text, missing_settings, variable, with_settings
from workers.settings import Settings, load, load_all

TEXT = env_text()
ALL = [variable(name) for name in Settings.model_fields]


def test_every_setting_stands_there_once():
    assert sorted(re.findall(r"^#?(WORKERS_\w+)=", TEXT, re.MULTILINE)) == sorted(ALL)


def test_every_description_stands_above_its_setting():
    # A long one is on several lines.
    words = re.sub(r"(?<=\S)\n# ", " ", TEXT)
    for name, field in Settings.model_fields.items():
        assert re.search(rf"# {re.escape(field.description)}[^\n]*\n#?{variable(name)}=", words), name


def test_as_it_is_written_it_changes_nothing(tmp_path):
    (tmp_path / ".env").write_text(TEXT)
    loaded = load_all(tmp_path)

    assert loaded.settings == Settings()
    assert {name for name, source in loaded.sources.items() if source != "default"} == {
        variable(name) for name in FIRST
    }


def test_every_comment_can_be_made_a_setting(tmp_path):
    """All of them at once, with the defaults that stand there: they are read, and are the defaults."""
    (tmp_path / ".env").write_text(re.sub(r"^#(WORKERS_)", r"\1", TEXT, flags=re.MULTILINE))

    assert load(tmp_path) == Settings()


def test_the_choices_of_a_setting_stand_there():
    assert "PLAINTEXT, SSL, SASL_SSL or SASL_PLAINTEXT" in TEXT
    assert "(True or False)" in TEXT


def test_lines_fit_into_a_terminal():
    assert max(map(len, TEXT.splitlines())) <= 130


def test_a_setting_that_a_file_does_not_mention_is_added_as_a_comment_and_nothing_else_changes():
    mine = "WORKERS_TOPIC=orders\n# WORKERS_GROUP = mine\nexport WORKERS_SASL_PASSWORD_FILE=x"
    missing = missing_settings(mine)
    merged = with_settings(mine, missing, "9.9.9")

    assert set(ALL) - set(missing) == {"WORKERS_TOPIC", "WORKERS_GROUP", "WORKERS_SASL_PASSWORD"}
    assert merged.startswith(f"{mine}\n")
    assert "New in 9.9.9" in merged
    assert not re.search(r"^WORKERS", merged[len(mine) + 1 :], re.MULTILINE)
    assert missing_settings(merged) == []
    assert missing_settings(TEXT) == []
