"""A supervisord that is not there, hangs, or talks nonsense is one error with its reason. The real one has tests of its
own in tests/acceptance.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from xmlrpc.client import Fault, dumps

import pytest

from tests.support.fake_supervisord import FakeSupervisord
from workers.errors import UnavailableError
from workers.fleet.supervisor import NOT_RUNNING, RefusedError, SupervisorClient

CALLS = {
    "pid": SupervisorClient.pid,
    "processes": SupervisorClient.processes,
    "process": lambda client: client.process("worker:worker_00"),
    "stop_seconds": SupervisorClient.stop_seconds,
    "start": lambda client: client.start("worker:worker_00"),
    "stop": lambda client: client.stop("worker:worker_00"),
    "start_down": SupervisorClient.start_down,
    "call": lambda client: client.call("getState"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_method_says_so_where_nobody_is_there(tmp_path, call):
    with pytest.raises(UnavailableError, match=f"^{NOT_RUNNING}$"):
        call(SupervisorClient(tmp_path / "sock"))


def test_one_that_is_stopped_or_is_none_is_no_traceback(tmp_path):
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(UnavailableError, match=NOT_RUNNING):
            SupervisorClient(path).processes()
        server.listen()
        with pytest.raises(UnavailableError, match="has not answered for 0 s: is it suspended"):
            SupervisorClient(path, timeout=0.2).processes()
    with pytest.raises(UnavailableError, match=NOT_RUNNING):
        SupervisorClient(path).processes()
    path.unlink()
    path.write_text("no socket")
    with pytest.raises(UnavailableError, match=NOT_RUNNING):
        SupervisorClient(path).pid()
    with pytest.raises(UnavailableError, match="cannot be reached at"):
        SupervisorClient(tmp_path / ("x" * 200)).processes()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        ("200 OK", dumps(Fault(6, "SHUTDOWN_STATE")), "^is shutting down$"),
        ("401 Unauthorized", "", "cannot be reached at .*: Unauthorized"),
        ("500 Internal Server Error", "", "cannot be reached at .*: Internal Server Error"),
    ],
)
def test_one_that_does_not_serve_says_why(tmp_path, status, body, said):
    with FakeSupervisord(tmp_path / "sock", status, body), pytest.raises(UnavailableError, match=said) as error:
        SupervisorClient(tmp_path / "sock").pid()
    assert not isinstance(error.value, RefusedError)


def test_what_it_refuses_is_its_own_word_and_what_is_so_already_is_no_refusal(tmp_path):
    with FakeSupervisord(tmp_path / "a", "200 OK", dumps(Fault(10, "BAD_NAME: x"))):
        client = SupervisorClient(tmp_path / "a")
        for call in (client.start, client.stop, client.process):
            with pytest.raises(RefusedError, match=r"^refuses: BAD_NAME: x$"):
                call("x")
    with FakeSupervisord(tmp_path / "b", "200 OK", dumps(Fault(60, "ALREADY_STARTED: x"))):
        SupervisorClient(tmp_path / "b").start("x")
    with FakeSupervisord(tmp_path / "c", "200 OK", dumps(Fault(70, "NOT_RUNNING: x"))):
        SupervisorClient(tmp_path / "c").stop("x")


@pytest.mark.parametrize("url", [None, "", "http://127.0.0.1:9001", "unix://relative"])
def test_a_process_that_no_supervisord_started_has_none(url):
    assert SupervisorClient.of_parent({} if url is None else {"SUPERVISOR_SERVER_URL": url}) is None


def test_the_parent_is_asked_with_the_password_of_its_socket(tmp_path):
    environment = {
        "SUPERVISOR_SERVER_URL": f"unix://{tmp_path}/sock",
        "SUPERVISOR_USERNAME": "user",
        "SUPERVISOR_PASSWORD": "p@ss/w:rd",
    }
    with FakeSupervisord(tmp_path / "sock", "200 OK", dumps((77,), methodresponse=True)) as server:
        client = SupervisorClient.of_parent(environment)
        assert client is not None
        assert client.pid() == 77
        assert b"Authorization: Basic dXNlcjpwQHNzL3c6cmQ=" in server.head
        assert SupervisorClient(tmp_path / "sock").pid() == 77
        assert b"Authorization" not in server.head


def test_a_worker_does_not_pay_for_what_supervisor_itself_imports():
    probe = (
        "import sys, workers.fleet.supervisor; print([name for name in sys.modules if name.startswith('supervisor')])"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"
