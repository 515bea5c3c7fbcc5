"""What `workers config` says of the policies: their values, and which of those that were chosen are exact or lossy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from workers.settings.policies import PolicyOptions


def policy_mark(name: str, value: Any) -> Text:
    """Whether the value is exact or lossy, and how; empty: it is the default, or that of no policy."""
    # Not at the top: see `workers.cli`.
    from workers.settings.policies import POLICIES

    policy = POLICIES.get(name)
    if policy is None or value == policy.choices[0].word:
        return Text()
    choice = policy.choice(value)
    if choice.loss:
        return Text(f"lossy, the document does not tell {choice.loss}", style="yellow")
    return Text(f"exact, {choice.effect}")


def policy_choices(name: str) -> str:
    """The values of a policy; empty: it is none."""
    from workers.settings.policies import POLICIES

    return f"; one of {', '.join(each.form for each in POLICIES[name].choices)}" if name in POLICIES else ""


def losses(options: PolicyOptions) -> dict[str, str]:
    """By name, what the policies that were chosen lose of a record, for JSON."""
    from workers.settings.policies import lossy

    return {each.name: each.choice.loss for each in lossy(options)}
