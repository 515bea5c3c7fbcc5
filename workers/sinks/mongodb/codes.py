"""The error codes of MongoDB and of servers like it, and what each says: the database, or this document.

The names and numbers are the server's: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml, with
its categories RetriableError, SystemOverloadedError, NetworkError, NotPrimaryError, ShutdownError, Interruption,
ExceededTimeLimitError, SnapshotError and StaleShardVersionError. Those of Azure Cosmos DB are in "Troubleshoot common
errors in Azure Cosmos DB for MongoDB". Amazon DocumentDB and FerretDB 2 answer with MongoDB's; where DocumentDB gives a
number another meaning (301, 303), it is in no table here. A code that is in no table is nobody's fault until it was tried
for `WORKERS_REFUSAL_PATIENCE`.
"""

from __future__ import annotations

from typing import NamedTuple

from workers.errors import RetryReason

DUPLICATE_KEYS = {11000, 11001, 12582}
"""The driver knows all three; servers of today answer with the first."""


class ErrorCode(NamedTuple):
    """A code that says that the database cannot take writes now, and nothing about a document."""

    name: str
    reason: RetryReason


UNAVAILABLE = {
    6: ErrorCode("HostUnreachable", RetryReason.UNREACHABLE),
    7: ErrorCode("HostNotFound", RetryReason.UNREACHABLE),
    11: ErrorCode("UserNotFound", RetryReason.NOT_AUTHORIZED),
    13: ErrorCode("Unauthorized", RetryReason.NOT_AUTHORIZED),
    18: ErrorCode("AuthenticationFailed", RetryReason.NOT_AUTHORIZED),
    24: ErrorCode("LockTimeout", RetryReason.BUSY),
    31: ErrorCode("RoleNotFound", RetryReason.NOT_AUTHORIZED),
    33: ErrorCode("PrivilegeNotFound", RetryReason.NOT_AUTHORIZED),
    38: ErrorCode("FileNotOpen", RetryReason.DISK_ERROR),
    39: ErrorCode("FileStreamFailed", RetryReason.DISK_ERROR),
    46: ErrorCode("LockBusy", RetryReason.BUSY),
    50: ErrorCode("MaxTimeMSExpired", RetryReason.TIMEOUT),
    64: ErrorCode("WriteConcernTimeout", RetryReason.NOT_ACKNOWLEDGED),
    75: ErrorCode("WriteConcernLegacyOK", RetryReason.NOT_ACKNOWLEDGED),
    79: ErrorCode("UnknownReplWriteConcern", RetryReason.NOT_ACKNOWLEDGED),
    82: ErrorCode("NoProgressMade", RetryReason.BUSY),
    83: ErrorCode("RemoteResultsUnavailable", RetryReason.UNREACHABLE),
    89: ErrorCode("NetworkTimeout", RetryReason.TIMEOUT),
    90: ErrorCode("CallbackCanceled", RetryReason.BUSY),
    91: ErrorCode("ShutdownInProgress", RetryReason.SHUTTING_DOWN),
    94: ErrorCode("NotYetInitialized", RetryReason.NOT_PRIMARY),
    95: ErrorCode("NotSecondary", RetryReason.NOT_PRIMARY),
    100: ErrorCode("UnsatisfiableWriteConcern", RetryReason.NOT_ACKNOWLEDGED),
    107: ErrorCode("LockFailed", RetryReason.BUSY),
    109: ErrorCode("ConfigurationInProgress", RetryReason.BUSY),
    112: ErrorCode("WriteConflict", RetryReason.BUSY),
    117: ErrorCode("ConflictingOperationInProgress", RetryReason.BUSY),
    133: ErrorCode("FailedToSatisfyReadPreference", RetryReason.UNREACHABLE),
    134: ErrorCode("ReadConcernMajorityNotAvailableYet", RetryReason.BUSY),
    145: ErrorCode("PooledConnectionsDropped", RetryReason.UNREACHABLE),
    146: ErrorCode("ExceededMemoryLimit", RetryReason.BUSY),
    149: ErrorCode("NoConfigPrimary", RetryReason.NOT_PRIMARY),
    150: ErrorCode("StaleEpoch", RetryReason.BUSY),
    172: ErrorCode("TransportSessionClosed", RetryReason.UNREACHABLE),
    189: ErrorCode("PrimarySteppedDown", RetryReason.NOT_PRIMARY),
    199: ErrorCode("ReplicaSetMonitorRemoved", RetryReason.UNREACHABLE),
    202: ErrorCode("NetworkInterfaceExceededTimeLimit", RetryReason.TIMEOUT),
    203: ErrorCode("ShardingStateNotInitialized", RetryReason.NOT_PRIMARY),
    208: ErrorCode("TooManyLocks", RetryReason.BUSY),
    209: ErrorCode("StaleClusterTime", RetryReason.BUSY),
    210: ErrorCode("CannotVerifyAndSignLogicalTime", RetryReason.BUSY),
    214: ErrorCode("AuthenticationRestrictionUnmet", RetryReason.NOT_AUTHORIZED),
    215: ErrorCode("DatabaseDropPending", RetryReason.BUSY),
    216: ErrorCode("ElectionInProgress", RetryReason.NOT_PRIMARY),
    225: ErrorCode("TransactionTooOld", RetryReason.BUSY),
    226: ErrorCode("AtomicityFailure", RetryReason.BUSY),
    227: ErrorCode("CannotImplicitlyCreateCollection", RetryReason.BUSY),
    230: ErrorCode("DNSHostNotFound", RetryReason.UNREACHABLE),
    231: ErrorCode("DNSProtocolError", RetryReason.UNREACHABLE),
    237: ErrorCode("CursorKilled", RetryReason.BUSY),
    239: ErrorCode("SnapshotTooOld", RetryReason.BUSY),
    246: ErrorCode("SnapshotUnavailable", RetryReason.BUSY),
    249: ErrorCode("StaleDbVersion", RetryReason.BUSY),
    250: ErrorCode("StaleChunkHistory", RetryReason.BUSY),
    251: ErrorCode("NoSuchTransaction", RetryReason.BUSY),
    256: ErrorCode("TransactionCommitted", RetryReason.BUSY),
    261: ErrorCode("TooManyLogicalSessions", RetryReason.BUSY),
    262: ErrorCode("ExceededTimeLimit", RetryReason.TIMEOUT),
    264: ErrorCode("TooManyFilesOpen", RetryReason.BUSY),
    267: ErrorCode("PreparedTransactionInProgress", RetryReason.BUSY),
    272: ErrorCode("MigrationConflict", RetryReason.BUSY),
    279: ErrorCode("ClientDisconnect", RetryReason.UNREACHABLE),
    281: ErrorCode("TransactionCoordinatorSteppingDown", RetryReason.NOT_PRIMARY),
    282: ErrorCode("TransactionCoordinatorReachedAbortDecision", RetryReason.BUSY),
    285: ErrorCode("IndexBuildAlreadyInProgress", RetryReason.BUSY),
    290: ErrorCode("TransactionExceededLifetimeLimitSeconds", RetryReason.TIMEOUT),
    310: ErrorCode("PeriodicJobIsStopped", RetryReason.BUSY),
    314: ErrorCode("ObjectIsBusy", RetryReason.BUSY),
    317: ErrorCode("ConnectionPoolExpired", RetryReason.UNREACHABLE),
    319: ErrorCode("MovePrimaryInProgress", RetryReason.BUSY),
    333: ErrorCode("ServiceExecutorInShutdown", RetryReason.SHUTTING_DOWN),
    334: ErrorCode("MechanismUnavailable", RetryReason.NOT_AUTHORIZED),
    338: ErrorCode("ReshardCollectionInProgress", RetryReason.BUSY),
    342: ErrorCode("ReshardingCriticalSectionTimeout", RetryReason.BUSY),
    343: ErrorCode("ShardCannotRefreshDueToLocksHeld", RetryReason.BUSY),
    355: ErrorCode("InterruptedDueToStorageChange", RetryReason.BUSY),
    356: ErrorCode("TxnRetryCounterTooOld", RetryReason.BUSY),
    358: ErrorCode("InternalTransactionNotSupported", RetryReason.BUSY),
    363: ErrorCode("RetryableTransactionInProgress", RetryReason.BUSY),
    365: ErrorCode("TemporarilyUnavailable", RetryReason.BUSY),
    371: ErrorCode("UserWritesBlocked", RetryReason.BUSY),
    372: ErrorCode("CloseConnectionForShutdownCommand", RetryReason.SHUTTING_DOWN),
    384: ErrorCode("ConnectionError", RetryReason.UNREACHABLE),
    391: ErrorCode("ReauthenticationRequired", RetryReason.NOT_AUTHORIZED),
    398: ErrorCode("StreamTerminated", RetryReason.UNREACHABLE),
    402: ErrorCode("ResourceExhausted", RetryReason.BUSY),
    406: ErrorCode("MigrationBlockingOperationCoordinatorCleaningUp", RetryReason.BUSY),
    407: ErrorCode("PooledConnectionAcquisitionExceededTimeLimit", RetryReason.TIMEOUT),
    412: ErrorCode("UpdatesStillPending", RetryReason.BUSY),
    414: ErrorCode("AddOrRemoveShardInProgress", RetryReason.BUSY),
    433: ErrorCode("AdmissionQueueOverflow", RetryReason.BUSY),
    449: ErrorCode("RateLimitExceeded", RetryReason.BUSY),
    450: ErrorCode("PooledConnectionAcquisitionRejected", RetryReason.BUSY),
    453: ErrorCode("InterruptedDueToReshardingCriticalSection", RetryReason.BUSY),
    462: ErrorCode("IngressRequestRateLimitExceeded", RetryReason.BUSY),
    8000: ErrorCode("AtlasError", RetryReason.NOT_AUTHORIZED),
    9001: ErrorCode("SocketException", RetryReason.UNREACHABLE),
    10058: ErrorCode("LegacyNotPrimary", RetryReason.NOT_PRIMARY),
    10107: ErrorCode("NotWritablePrimary", RetryReason.NOT_PRIMARY),
    11600: ErrorCode("InterruptedAtShutdown", RetryReason.SHUTTING_DOWN),
    11601: ErrorCode("Interrupted", RetryReason.BUSY),
    11602: ErrorCode("InterruptedDueToReplStateChange", RetryReason.NOT_PRIMARY),
    12586: ErrorCode("BackgroundOperationInProgressForDatabase", RetryReason.BUSY),
    12587: ErrorCode("BackgroundOperationInProgressForNamespace", RetryReason.BUSY),
    13388: ErrorCode("StaleConfig", RetryReason.BUSY),
    13435: ErrorCode("NotPrimaryNoSecondaryOk", RetryReason.NOT_PRIMARY),
    13436: ErrorCode("NotPrimaryOrSecondary", RetryReason.NOT_PRIMARY),
    14031: ErrorCode("OutOfDiskSpace", RetryReason.DISK_FULL),
    16500: ErrorCode("TooManyRequests", RetryReason.BUSY),  # Cosmos DB: "Request rate is large"
    16501: ErrorCode("ExceededMemoryLimit", RetryReason.BUSY),  # Cosmos DB
    46841: ErrorCode("ClientMarkedKilled", RetryReason.BUSY),
    50915: ErrorCode("BackupCursorOpenConflictWithCheckpoint", RetryReason.BUSY),
    56846: ErrorCode("ConfigServerUnreachable", RetryReason.UNREACHABLE),
    91331: ErrorCode("RetriableRemoteCommandFailure", RetryReason.BUSY),
    10045600: ErrorCode("InterruptedDueToFCVChange", RetryReason.BUSY),
}

RECORD = {
    2: "BadValue",
    9: "FailedToParse",
    14: "TypeMismatch",
    15: "Overflow",  # nested too deep
    16: "InvalidLength",  # Cosmos DB: the document is larger than it accepts
    22: "InvalidBSON",
    52: "DollarPrefixedFieldName",
    53: "InvalidIdField",
    56: "EmptyFieldName",
    57: "DottedFieldName",
    121: "DocumentValidationFailure",
    171: "CannotIndexParallelArrays",
    357: "InvalidBSONType",
    378: "NonConformantBSON",
    10334: "BSONObjectTooLarge",
    16755: "a value that a geo index cannot take",
    17280: "KeyTooLong",
}
"""About the one document that they are the answer for. For a whole command they say nothing of any of its documents."""

COMMAND_TOO_LARGE = {
    17: "ProtocolError",
    257: "TransactionTooLarge",
    388: "TransactionTooLargeForCache",
}
"""About the size of a command: in parts it may pass."""
