"""The servers of a URI, as the driver reads them, and without it."""

from __future__ import annotations

import pytest
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from workers.settings.mongodb_hosts import hosts, is_plain
from workers.settings.mongodb_uri import uri_problem

PLAIN = [
    "mongodb://localhost",
    "mongodb://localhost:27017/",
    "mongodb://a.b-c.example:1,127.0.0.1,B9:65535",
    "mongodb://7",
]
NOT_PLAIN = [
    "mongodb://",
    "mongodb:///",
    "mongodb://,a",
    "mongodb://a,",
    "mongodb://a:0",
    "mongodb://a:65536",
    "mongodb://a:",
    "mongodb://a..b",
    "mongodb://-a",
    "mongodb://a_b",
    "mongodb://a\n",
    "mongodb://[::1]",
    "mongodb://%2Ftmp%2Fx.sock",
    "mongodb://u:p@a",
    "mongodb://a/db",
    "mongodb://a/?w=majority",
    "mongodb://a?journal=true",
    "mongodb+srv://a.example",
    "MONGODB://a",
    " mongodb://a",
]


@pytest.mark.parametrize("uri", PLAIN)
def test_a_plain_uri_is_one_that_the_driver_takes(uri):
    assert is_plain(uri)
    MongoClient(uri, w="majority", journal=True, connect=False).close()


@pytest.mark.parametrize("uri", NOT_PLAIN)
def test_any_other_is_for_the_driver_to_judge(uri):
    assert not is_plain(uri)
    assert uri_problem("mongodb://a:0") is not None


@pytest.mark.parametrize(
    "uri",
    [
        *PLAIN,
        "mongodb://u:p%40x@h:1,[::1]:27018,[fe80::1]/db?replicaSet=r&w=majority",
        "mongodb://u%3A@127.0.0.1?journal=true",
        "mongodb://h/?appName=x@y:1",
    ],
)
def test_the_servers_are_those_that_the_driver_finds(uri):
    # The driver lowers the case of names, which DNS does not look at.
    assert [(host.lower(), port) for host, port in hosts(uri)] == parse_uri(uri)["nodelist"]


@pytest.mark.parametrize("uri", ["mongodb+srv://cluster.example/?tls=true", "mongodb://%2Ftmp%2Fx.sock,h"])
def test_servers_that_only_dns_or_this_machine_knows_are_not_named(uri):
    assert hosts(uri) == []
