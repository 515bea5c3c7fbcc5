"""The settings that say which servers there are, and what is read and written there."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from workers.settings.mongodb_uri import uri_problem
from workers.settings.route import TOPIC
from workers.settings.values import Text, collection_problem, server_problem, topic_problem


class Connections(BaseModel):
    """A part of `Settings`."""

    bootstrap_servers: str = Field("localhost:9092", description="Kafka brokers, host:port, separated by commas")
    topic: str = Field("numtest", description="the topic to read, and the one that `produce` writes")
    group: Text = Field("counters", min_length=1, max_length=249, description="the consumer group of the fleet")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"] = Field(
        "PLAINTEXT", description="the security protocol of the brokers"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="the SASL mechanism, with a SASL protocol"
    )
    sasl_username: Text | None = Field(None, description="the SASL user")
    sasl_password: SecretStr | None = Field(None, description="the SASL password; or WORKERS_SASL_PASSWORD_FILE")
    ssl_cafile: Path | None = Field(None, description="a PEM file with the certificate authority of the brokers")

    mongodb_uri: SecretStr = Field(
        SecretStr("mongodb://localhost:27017"), description="the URI of MongoDB; or WORKERS_MONGODB_URI_FILE"
    )
    database: Text = Field("numtest", pattern=r'^[^/\\. "$*<>:|?\x00]{1,63}$', description="the database")
    collection: Text = Field("numtest", description="the collection")
    routes: Path | None = Field(
        None,
        description="a file of several routes: topics, and the collection of each, in place of WORKERS_TOPIC and WORKERS_COLLECTION",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_brokers(cls, value: str) -> str:
        for server in value.split(","):
            if problem := server_problem(server.strip()):
                raise ValueError(problem)
        return value

    @field_validator("topic")
    @classmethod
    def _is_a_topic_name(cls, value: str) -> str:
        if problem := topic_problem(value):
            raise ValueError(problem)
        return value

    @field_validator("mongodb_uri")
    @classmethod
    def _is_a_uri(cls, secret: SecretStr) -> SecretStr:
        if problem := uri_problem(secret.get_secret_value()):
            raise ValueError(problem)
        return secret

    @field_validator("sasl_password")
    @classmethod
    def _is_a_password(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and any(
            ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in secret.get_secret_value()
        ):
            raise ValueError("must be one line of UTF-8 text")
        return secret

    @field_validator("database", "collection")
    @classmethod
    def _is_a_name_of_mongodb(cls, name: str) -> str:
        if problem := collection_problem(name):
            raise ValueError(problem)
        if TOPIC in name:
            raise ValueError(f"{TOPIC} is for the collection of a route in WORKERS_ROUTES")
        return name
