"""One rule for the names of workers."""

from __future__ import annotations

import pytest

from workers.naming import address, all_worker_names, is_worker, short_name, worker_name
from workers.settings import Settings, load


def test_a_worker_is_named_by_its_slot_in_two_digits():
    assert (worker_name(0), worker_name(7), worker_name(99)) == ("worker_00", "worker_07", "worker_99")
    assert [Settings(slot=slot).worker for slot in range(100)] == all_worker_names()


@pytest.mark.parametrize("name", all_worker_names())
def test_every_such_name_is_a_workers(name):
    assert is_worker(name)
    assert short_name(name) == name[-2:]


@pytest.mark.parametrize(
    "name", ["worker_7", "worker_007", "worker_0x", "worker_\u0663\u0663", "xworker_07", "watchdog", ""]
)
def test_no_other_name_is(name):
    assert not is_worker(name)
    assert short_name(name) == name


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", "127.0.0.1:9800"), ("h", "h:9800"), ("::1", "[::1]:9800")])
def test_an_ipv6_address_stands_in_brackets_before_a_port(host, written):
    assert address(host, 9800) == written


def test_an_ipv6_address_may_be_given_as_urls_have_it(monkeypatch):
    monkeypatch.setenv("WORKERS_METRICS_HOST", "[::1]")
    assert load().metrics_host == "::1"
