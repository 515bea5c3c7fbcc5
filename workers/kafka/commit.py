"""One commit of a member of the group, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from workers.errors import FencedError
from workers.kafka.client_errors import refusal
from workers.log_fields import Action
from workers.types import CommitResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.settings import Settings

REBALANCED = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

log = structlog.get_logger()


def commit(consumer: Any, offsets: Mapping[Any, Any], settings: Settings) -> CommitResult:
    """Commit, and wait for the answer. Only the source calls this, and only the loop calls that.

    Args: offsets: by the client's partition, its own offset with metadata.

    Raises:
        FencedError: another process has this member's static id.
    """
    try:
        consumer.commit(offsets, timeout_ms=int(settings.commit_timeout * 1000))
    except FencedInstanceIdError as error:
        raise FencedError(settings.worker) from error
    except REBALANCED:
        return CommitResult.REBALANCED
    except KafkaTimeoutError:
        return CommitResult.TIMEOUT
    except KafkaError as error:
        log.error("Kafka refused a commit", action=Action.COMMIT, error=refusal(settings, error, right="READ"))
        return CommitResult.ERROR
    return CommitResult.OK
