"""What `workers audit` costs: the share of a core that it takes, with nothing to do and at a steady rate, beside the worker's.

The same seconds count for both, so that the ratio holds on a machine with other work, too.

    python -m bench.audit [seconds] [records a second]
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

import psutil

from bench.backlog import Sender
from bench.folder import Folder
from bench.latency import Source
from bench.peers import membership
from bench.servers import Place, Servers, ending_quietly, open_place, open_servers
from tests.support import scrape
from tests.support.ports import free_ports
from tests.support.user import BIN

PARTITIONS, BATCHES_A_SECOND = 6, 5
SETTLE_SECONDS = 12.0
"""Until imports, first connections and the first pass are over."""


def main() -> None:
    seconds, rate = (float(value) for value in (sys.argv[1:] + ["60", "1000"][len(sys.argv) - 1 :]))
    with open_servers("embedded") as servers:
        for share in ("0", "0.003"):
            idle, _, _ = cost(servers, seconds / 2, 0, share)
            busy, worker, verified = cost(servers, seconds, rate, share)
            print(
                f"WORKERS_AUDIT_SHARE={share}: idle {idle:.2%} of a core; at {verified:,.0f} records a second {busy:.2%}, "
                f"{busy / verified * 1e6:.1f} us a record; the worker {worker:.2%}, ratio {busy / worker:.2f}",
                flush=True,
            )


def cost(servers: Servers, seconds: float, rate: float, share: str) -> tuple[float, float, float]:
    """The shares of a core of the auditor and of the worker beside it, and the new records a second that it verified."""
    with ExitStack() as stack:
        place = stack.enter_context(open_place(servers, PARTITIONS))
        folder, sender = stack.enter_context(Folder()), stack.enter_context(Sender(place.settings))
        (port,) = free_ports(1)
        (folder.path / "run").mkdir()
        environment = place.environment | {
            "WORKERS_STATE_DIR": str(folder.path / "run"),
            "WORKERS_AUDITOR_PORT": str(port),
            "WORKERS_AUDIT_SHARE": share,
        }
        worker = folder.spawn("worker", [str(BIN / "workers"), "run"], environment | {"WORKERS_SLOT": "0"})
        with membership(place, 1) as joined:
            folder.wait(joined, "the worker is in the group")
        auditor = folder.spawn("auditor", [str(BIN / "workers"), "audit", "--tree", str(folder.path)], environment)
        folder.wait(
            lambda: scrape.total(scrape.metrics(port), "workers_audit_full_pass_timestamp_seconds") > 0, "a pass"
        )
        if rate:
            stack.enter_context(source(place, sender, rate))
        time.sleep(SETTLE_SECONDS)
        processes = psutil.Process(auditor.pid), psutil.Process(worker.pid)
        before, verified, started = [spent(each) for each in processes], new(port), time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - started
        shares = [(spent(each) - begun) / took for each, begun in zip(processes, before, strict=True)]
        found = (new(port) - verified) / took
        failures = {
            outcome: scrape.total(scrape.metrics(port), "workers_audit_records", outcome=outcome)
            for outcome in ("missing", "twice", "unexplained")
        }
        assert not any(failures.values()), failures
        assert found >= 0.8 * rate, f"{found:.0f} of {rate:.0f} records a second were verified"
        return shares[0], shares[1], found


def source(place: Place, sender: Sender, rate: float) -> Source:
    return Source(place, sender, rate, max(2, round(rate / PARTITIONS / BATCHES_A_SECOND)))


def spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def new(port: int) -> float:
    return scrape.total(scrape.metrics(port), "workers_audit_verified_records_total", kind="new")


if __name__ == "__main__":
    with ending_quietly():
        main()
