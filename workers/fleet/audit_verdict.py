"""What the verdict says of the proof: what is not accounted for, until when everything is, or why nobody knows. Pure."""

from __future__ import annotations

from workers.fleet.sentences import clock, duration, listed, plural
from workers.fleet.status.audit import age, is_silent
from workers.fleet.verdict_facts import Facts, Level, Verdict

BEHIND_SECONDS = 120.0
"""When nothing newer is proven, somebody should know why."""


def unaccounted(facts: Facts) -> Verdict | None:
    """Records that are missing, twice or unexplained."""
    audit = facts.audit
    if audit is None or audit.is_clean:
        return None
    found = [
        f"{count:,} {'record is' if count == 1 else 'records are'} {what}"
        for count, what in (
            (audit.missing, "missing"),
            (audit.twice, "there twice"),
            (audit.unexplained, "unexplained"),
        )
        if count
    ]
    is_one = audit.missing + audit.twice + audit.unexplained == 1
    shows = "names" if not audit.found else "shows"
    what = f"`{audit.command}` {shows} {'it' if is_one else 'them' if not audit.found else 'the first'}"
    rest = [f"everything else until {clock(audit.until, facts.now)} is accounted for"] if audit.until else []
    rest += [_removed(facts)] if audit.removed else []
    rest += [f"not looked at since: {audit.problem}"] if audit.problem else []
    return Verdict(Level.ACT, f"{listed(found)}{age(audit, facts.now)}: {what}", "; ".join(rest))


def unproven(facts: Facts) -> Verdict | None:
    """An auditor that proves nothing, or nothing new; and records that Kafka has removed before they were verified."""
    audit = facts.audit
    if audit is None:
        return None
    proven = audit.until or audit.recent
    removed = [_removed(facts)] if audit.removed else []
    if proven is not None and facts.now - proven >= max(BEHIND_SECONDS, 3 * audit.interval):
        text = f"Nothing newer than {clock(proven, facts.now)} is proven to be accounted for"
        return Verdict(Level.ATTENTION, text, "; ".join([_why(facts), *removed]))
    if proven is None and audit.set_back:
        text = (
            f"The group was set back at {clock(audit.set_back, facts.now)}: nothing is proven until all is read again"
        )
        return Verdict(Level.ATTENTION, text, "; ".join([_why(facts), *removed]))
    if proven is None and (audit.problem or is_silent(audit, facts.now)):
        return Verdict(Level.ATTENTION, f"Nothing is proven yet: {_why(facts)}", "; ".join([facts.waiting, *removed]))
    if not removed:
        return None
    rest = [f"every other record until {clock(audit.until, facts.now)} is accounted for"] if audit.until else []
    rest.append("the runbook RecordsRemoved says how to acknowledge that")
    return Verdict(Level.ATTENTION, removed[0][:1].upper() + removed[0][1:], "; ".join(rest))


def proven(facts: Facts) -> tuple[str, str]:
    """What is proven when all is well: a sentence, empty where nothing is; and what is to be known besides."""
    audit = facts.audit
    if audit is None:
        return "", "No auditor runs: `workers verify` proves that nothing is missing."
    if audit.until is not None:
        return f"Every record until {clock(audit.until, facts.now)} is accounted for", ""
    if audit.since is not None and audit.recent is not None:
        between = f"from {clock(audit.since, facts.now)} until {clock(audit.recent, facts.now)}"
        return f"Every record {between} is accounted for", "Older ones are still being verified."
    if audit.done is None:
        return "", "The auditor has just begun."
    return "", f"Nothing is proven yet: {_why(facts)}."


def _removed(facts: Facts) -> str:
    """For a sentence, of an audit that counts some."""
    audit = facts.audit
    if audit is None or not audit.removed_since:
        return ""
    verb, they = ("was", "it was") if audit.removed == 1 else ("were", "they were")
    since = clock(audit.removed_since, facts.now)
    return f"{plural(audit.removed, 'record')} {verb} removed by Kafka before {they} accounted for (since {since})"


def _why(facts: Facts) -> str:
    """What keeps the auditor from proving more."""
    audit = facts.audit
    if audit is None:
        return ""
    if is_silent(audit, facts.now) and audit.time < facts.now:
        said = f"; it said last: {audit.problem}" if audit.problem else ""
        return f"the auditor has not answered for {duration(facts.now - audit.time)}{said}"
    if audit.problem:
        return audit.problem
    if audit.unverified:
        return f"the auditor has {plural(audit.unverified, 'record')} to verify"
    if audit.unstable:
        stand = "stands" if audit.unstable == 1 else "stand"
        return f"{plural(audit.unstable, 'record')} {stand} behind an open transaction"
    return facts.waiting
