"""Fencing: a static member (WORKERS_STATIC_MEMBERSHIP) ends when another process joins with its static id."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka.errors import FencedInstanceIdError, KafkaError

from workers.errors import FencedError, UnavailableError
from workers.kafka import compat
from workers.kafka.client_errors import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.kafka.admin import Admin
    from workers.settings import Settings


@contextmanager
def end_on_client_error(consumer: Any, worker: str) -> Iterator[None]:
    """Around every poll of a member of the group. Args: worker: its static id, if it is a static member.

    Raises:
        FencedError: another process joined with this static id; the client would go on polling.
        UnavailableError: the client failed; do not poll again.
    """
    try:
        yield
    except FencedInstanceIdError as error:
        raise FencedError(worker) from error
    except KafkaError as error:
        raise UnavailableError(
            f"the Kafka client failed: {describe(error)}; this worker ends, to be restarted"
        ) from error
    if compat.is_fenced(consumer):
        raise FencedError(worker)


def require_own_place(admin: Admin, settings: Settings, own_member: str | None) -> None:
    """Refuse to join while another process is in the group with this worker's static id: joining would fence that one.

    Args: own_member: the member id of this slot's last process, whose place this worker may take.

    Raises:
        UnavailableError: another process has it, or no broker answered.
    """
    for member_id, member in admin.group(settings.group).members.items():
        if member.static_id == settings.worker and member_id != own_member:
            raise UnavailableError(
                f"another process, at {member.host}, is {settings.worker} in the group {settings.group}, and this worker "
                f"would end it; stop that fleet, or give each fleet slots of its own (WORKERS_SLOT; numprocs_start in "
                f"local.d/)"
            )
