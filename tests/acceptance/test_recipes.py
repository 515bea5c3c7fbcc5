"""docs/how-to/recipes.md, as it stands: its routes in one file, one worker, its commands, and the documents that it shows."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from kafka import KafkaProducer
from pymongo import MongoClient
from pymongo.collection import Collection

from embedded_stack.processes import tied
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.java_mongo import JavaMongo
from tests.support.ports import free_row
from tests.support.recipes import Recipe, alike, recipes
from tests.support.user import BIN

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

NEEDS_MONGODB = ["Money"]
"""The database of the demo does not hold what they store."""
OLDER = "Only the last week"
"""Its topic has an older record, too."""
ALL = recipes()


def test_no_recipe_is_left_out() -> None:
    assert {recipe.name for recipe in ALL} >= {"Kubernetes logs", "CloudEvents, binary", *NEEDS_MONGODB}
    for recipe in ALL:
        assert recipe.commands, recipe
        assert recipe.document, recipe


def test_every_recipe_of_the_demo_makes_the_document_that_it_shows(stack: EmbeddedStack, tmp_path: Path) -> None:
    chosen = [recipe for recipe in ALL if recipe.name not in NEEDS_MONGODB]
    run(chosen, stack.bootstrap_servers, stack.mongodb_uri, tmp_path)


def test_those_that_need_another_database_do_so_there(stack: EmbeddedStack, tmp_path: Path) -> None:
    with JavaMongo() as server:
        run([recipe for recipe in ALL if recipe.name in NEEDS_MONGODB], stack.bootstrap_servers, server.uri, tmp_path)


@pytest.mark.parametrize("recipe", [recipe for recipe in ALL if recipe.name in NEEDS_MONGODB], ids=str)
def test_the_database_of_the_demo_is_refused_for_them(stack: EmbeddedStack, tmp_path: Path, recipe: Recipe) -> None:
    environment = prepared([recipe], stack.bootstrap_servers, stack.mongodb_uri, tmp_path)
    ran = subprocess.run(
        [BIN / "workers", "run"], env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert ran.returncode == 78, ran.stderr


def prepared(chosen: Sequence[Recipe], kafka: str, mongodb: str, folder: Path) -> dict[str, str]:
    """The routes in their file, and the environment of a reader."""
    (folder / "routes.toml").write_text("\n\n".join(recipe.route for recipe in chosen))
    return {
        "PATH": f"{BIN}:{os.defpath}",
        "WORKERS_BOOTSTRAP_SERVERS": kafka,
        "WORKERS_MONGODB_URI": mongodb,
        "WORKERS_DATABASE": f"recipes-{os.getpid()}",
        "WORKERS_GROUP": f"recipes-{os.getpid()}-{folder.name}",
        "WORKERS_ROUTES": "routes.toml",
        "WORKERS_STATE_DIR": str(folder),
        "WORKERS_METRICS_PORT": str(free_row(1)),
    }


def run(chosen: Sequence[Recipe], kafka: str, mongodb: str, folder: Path) -> None:
    environment = prepared(chosen, kafka, mongodb, folder)
    # Before the worker: then it finds all topics when it starts, and what is paused then.
    for recipe in chosen:
        for command in recipe.before_resume:
            call(environment, folder, command.text)
        if recipe.name == OLDER:
            send_old(kafka, recipe.topic)
    log = folder / "log"
    with log.open("wb") as out, MongoClient(mongodb) as client:
        worker = subprocess.Popen(
            tied(str(BIN / "workers"), "run"), env=environment, cwd=folder, stdout=out, stderr=out
        )
        database = client[environment["WORKERS_DATABASE"]]
        try:
            for recipe in sorted(chosen, key=lambda recipe: bool(recipe.resume)):
                collection = database[recipe.collection]
                if recipe.resume:
                    # All others are stored by now.
                    assert not documents(collection), f"{recipe}: it is paused"
                    for command in recipe.resume:
                        call(environment, folder, command.text)
                wait_until(lambda found=collection, all_=recipe.records: len(documents(found)) >= all_, 60, str(recipe))
                stored = documents(collection)
                assert len(stored) == recipe.records, stored
                assert any(alike(each, recipe.document) for each in stored), f"{recipe}: {json.dumps(stored, indent=2)}"
            call(environment, folder, "workers verify --wait 30")
        finally:
            worker.terminate()
            worker.wait(60)
            client.drop_database(database.name)


def documents(collection: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of it, in extended JSON."""
    text = json_util.dumps(list(collection.find()), json_options=json_util.RELAXED_JSON_OPTIONS)
    found: list[dict[str, Any]] = json.loads(text)
    return found


def call(environment: Mapping[str, str], folder: Path, command: str) -> None:
    said = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert said.returncode == 0, f"{command}\n{said.stdout}{said.stderr}"


def send_old(kafka: str, topic: str) -> None:
    """A record from before the last week."""
    producer = KafkaProducer(bootstrap_servers=kafka)
    try:
        producer.send(topic, b'{"old": true}', timestamp_ms=int((time.time() - 8 * 86_400) * 1000)).get(60)
    finally:
        producer.close(timeout=5)
