"""`workers audit`: verifies all the time what the fleet stores."""

from __future__ import annotations

from pathlib import Path

from workers.cli.options import Tree


def audit(tree: Tree = Path()) -> None:
    """Verify what the fleet stores while it runs, all the time and at a low cost. supervisord runs it.

    In each round it compares every record that was committed since the last one with its document or dead letter, content
    too. Besides, it goes slowly through everything that is older, again and again. `workers status` shows until when
    every record is accounted for; metrics for Prometheus are on WORKERS_AUDITOR_PORT. SIGUSR1 asks for a full pass
    now; SIGUSR2 acknowledges what Kafka removed before it was accounted for.

    To verify once and see the result, use `workers verify`.

    Example: supervisorctl -c supervisord.conf status auditor

    Exit codes: 0 stopped by SIGTERM or Ctrl-C, 69 the port is taken, or another auditor of this group runs here, 78 a
    setting is wrong.
    """
    # Not at the top: see `workers.cli`.
    from workers.auditor.process import serve
    from workers.monitoring import logs as log
    from workers.settings import load_all

    settings, _, paths = load_all(tree)
    log.configure(settings, "auditor")
    serve(settings, paths)
