"""What `workers run` refuses: at once, with exit code 78 and the reason, before it asks any server for anything."""

from __future__ import annotations

from pathlib import Path

import pymongo
import pytest

from tests.support.user import run_workers
from tests.support.wire_mongo import WireMongo
from workers.errors import BadConfigurationError
from workers.settings import load
from workers.sinks.mongodb.sink import MongoSink

NOBODY = {"WORKERS_BOOTSTRAP_SERVERS": "127.0.0.1:1", "WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"}


def refused(folder: Path, **settings: str) -> list[str]:
    """What it said. One that is not refused waits for its servers, and the time limit ends it."""
    ran = run_workers(folder, {"WORKERS_METRICS_PORT": "0", **NOBODY, **settings}, "run", timeout=30)
    assert (ran.returncode, ran.stdout) == (78, ""), ran
    assert "Traceback" not in ran.stderr
    return ran.stderr.splitlines()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1/?w=1"}, "w=1: use majority"),
        ({"WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1/?w=0"}, "w=0: use majority"),
        ({"WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1/?journal=false"}, "journal=false: remove it"),
        ({"WORKERS_AUTO_OFFSET_RESET": "latest"}, "WORKERS_AUTO_OFFSET_RESET is not a setting"),
        ({"WORKERS_ENABLE_AUTO_COMMIT": "true"}, "WORKERS_ENABLE_AUTO_COMMIT is not a setting"),
        ({"WORKERS_WRITE_TIMEOUT": "31"}, "WORKERS_DRAIN_TIMEOUT=35: must be longer than a write and a commit"),
        ({"WORKERS_COMMIT_TIMEOUT": "15"}, "WORKERS_DRAIN_TIMEOUT=35: must be longer than a write and a commit"),
        ({"WORKERS_MAX_POLL_INTERVAL": "50"}, "WORKERS_MAX_POLL_INTERVAL=50: must be more than twice a write"),
        ({"WORKERS_HEARTBEAT_INTERVAL": "4"}, "WORKERS_SESSION_TIMEOUT=10: must be at least three times"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_settings_that_break_the_promise_end_the_worker_at_once(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    (told,) = refused(tmp_path, **settings)

    assert said in told


@pytest.mark.parametrize(
    ("module", "extra", "said"),
    [
        ("lz4", "lz4", "compressed with lz4 could not be read"),
        ("snappy", "snappy", "compressed with snappy could not be read"),
        ("zstandard", "zstd", "compressed with zstd could not be read"),
        ("crc32c", "crc32c", "checksums would be computed in Python"),
    ],
)
def test_a_client_that_lacks_a_part_is_refused_before_a_record_needs_it(
    tmp_path: Path, module: str, extra: str, said: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None\n")

    (told,) = refused(tmp_path, PYTHONPATH=str(tmp_path))

    assert said in told
    assert told.endswith(f"pip install 'kafka-python[{extra}]'")


@pytest.mark.parametrize("kind", ["timeseries", "view"])
def test_a_target_that_is_no_plain_collection_is_refused(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A scripted server, because the embedded one knows neither kind."""
    with WireMongo() as server:
        usual = server._answer
        found = {"cursor": {"id": 0, "ns": "numtest.$cmd", "firstBatch": [{"name": "numtest", "type": kind}]}, "ok": 1}
        monkeypatch.setattr(
            server, "_answer", lambda asked, more: found if "listCollections" in asked else usual(asked, more)
        )
        store = MongoSink(load(mongodb_uri=server.uri))
        try:
            with pytest.raises(BadConfigurationError, match=f"WORKERS_COLLECTION=numtest is a {kind}"):
                store.check()
        finally:
            store.close()


def test_the_uri_cannot_send_the_question_about_a_duplicate_to_a_secondary() -> None:
    """It may not have the document yet, which would then pass for one that another unique index refuses."""
    store = MongoSink(load(mongodb_uri="mongodb://127.0.0.1:1/?readPreference=secondary&connect=false"))
    try:
        assert store._documents.read_preference == pymongo.ReadPreference.PRIMARY
        assert store._documents.write_concern.document == {"w": "majority", "j": True}
    finally:
        store.close()
