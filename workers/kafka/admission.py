"""What one broker refuses this client, by one connection: TLS, the protocol of the port, a login."""

from __future__ import annotations

import ssl
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.handshake import Handshake, NotKafkaError
from workers.settings.files import certificates_problem

if TYPE_CHECKING:
    from workers.settings import Settings

EXPIRED, NOT_YET_VALID, REVOKED, WRONG_HOST = {10}, {9}, {23}, {62, 64}
"""OpenSSL's codes of X509_verify_cert_error_string(3)."""
NO_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_UNKNOWN")
"""Parts of the alerts by which a server refuses a client for its certificate, or for having none."""


class Admission(NamedTuple):
    """What a broker refuses, or None for `reason`: nothing."""

    reason: str | None
    is_login: bool = False
    advertised: tuple[tuple[str, int], ...] = ()
    """Where a broker that refuses nothing sends its clients, if that was asked."""
    is_admitted: bool = False
    """Whether the broker has answered every step; neither this nor a reason: it did not answer."""
    certificate_ends: float | None = None
    """Unix time at which the certificate of an admitting broker expires; None: no TLS."""


class AskedBroker:
    """One broker, which is asked as the settings say, and if it refuses, in other ways."""

    def __init__(self, settings: Settings, host: str, port: int, deadline: float, *, ask_brokers: bool) -> None:
        self._settings = settings
        self._ask_brokers = ask_brokers
        self._host, self._port, self._deadline = host, port, deadline
        self._tls = settings.security_protocol in ("SSL", "SASL_SSL")
        self._sasl = settings.security_protocol.startswith("SASL")

    def refusal(self) -> Admission:
        """Raises: OSError: it cannot be asked."""
        authority = self._settings.ssl_cafile
        if self._tls and authority and (problem := certificates_problem(authority)):
            # It was there when the settings were read.
            return Admission(f"WORKERS_SSL_CAFILE={problem}")
        with self._connect() as connection:
            if self._tls:
                try:
                    connection.begin_tls(authority)
                except ssl.SSLCertVerificationError as error:
                    return Admission(self._certificate(error))
                except OSError as error:
                    return Admission(self._without_tls(error))
            try:
                connection.speaks_kafka()
                # A login that is demanded, or not there, shows in the answer to the choice of a mechanism.
                mechanisms = connection.mechanisms(self._settings.sasl_mechanism)
            except (NotKafkaError, OSError) as error:
                return Admission(self._other_protocol(error))
            if not self._sasl:
                if mechanisms is None:
                    return self._admitted(connection)
                return Admission(self._login_demanded(mechanisms), is_login=True)
            if mechanisms is None:
                other = "SSL" if self._tls else "PLAINTEXT"
                return Admission(f"the port has no login: set WORKERS_SECURITY_PROTOCOL={other}, or use another port")
            return self._login(connection, mechanisms)

    def _connect(self) -> Handshake:
        return Handshake(self._host, self._port, self._deadline)

    def _login(self, connection: Handshake, mechanisms: list[str]) -> Admission:
        settings = self._settings
        if settings.sasl_mechanism not in mechanisms:
            return Admission(
                f"the port does not offer WORKERS_SASL_MECHANISM={settings.sasl_mechanism}; it offers {', '.join(mechanisms)}",
                is_login=True,
            )
        password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
        try:
            login = connection.login(settings.sasl_mechanism, settings.sasl_username or "", password)
        except (NotKafkaError, OSError):
            # The client will meet the same, or not: this is no answer.
            return Admission(None)
        if login.accepted:
            return self._admitted(connection)
        return Admission(
            f"the login of {settings.sasl_username} was refused; is WORKERS_SASL_USERNAME right, and WORKERS_SASL_PASSWORD? "
            f"(the broker says: {_short(login.why, password)})",
            is_login=True,
        )

    def _admitted(self, connection: Handshake) -> Admission:
        advertised: list[tuple[str, int]] = []
        if self._ask_brokers:
            with suppress(NotKafkaError, OSError, struct.error):
                advertised = connection.brokers()
        return Admission(None, False, tuple(advertised), True, connection.certificate_ends())

    def _certificate(self, error: ssl.SSLCertVerificationError) -> str:
        authority = self._settings.ssl_cafile
        if error.verify_code in WRONG_HOST:
            return (
                f"the broker's certificate is not valid for {self._host}: write a name that it is valid for into "
                f"WORKERS_BOOTSTRAP_SERVERS, or give the broker one with this name"
            )
        if error.verify_code in EXPIRED:
            return "the broker's certificate, or that of its authority in WORKERS_SSL_CAFILE, has expired: renew it"
        if error.verify_code in NOT_YET_VALID:
            return "the broker's certificate is not valid yet: is the clock of this machine right?"
        if error.verify_code in REVOKED:
            return "the broker's certificate was revoked: give the broker a new one"
        if authority:
            return (
                f"the broker's certificate is not signed by the authority in WORKERS_SSL_CAFILE={authority}: set "
                f"WORKERS_SSL_CAFILE to that of the brokers ({error.verify_message})"
            )
        return (
            "the broker's certificate is signed by an authority that this machine does not know: set WORKERS_SSL_CAFILE to the "
            f"PEM file of that authority ({error.verify_message})"
        )

    def _without_tls(self, error: OSError) -> str | None:
        """TLS was refused: the port may speak Kafka without it."""
        try:
            with self._connect() as connection:
                connection.speaks_kafka()
        except (NotKafkaError, OSError):
            return self._tls_problem(error)
        other = (
            "SASL_PLAINTEXT, or PLAINTEXT without a login"
            if self._sasl
            else "PLAINTEXT, or SASL_PLAINTEXT with a login"
        )
        return (
            f"the port speaks Kafka without TLS: set WORKERS_SECURITY_PROTOCOL={other}; or WORKERS_BOOTSTRAP_SERVERS to a port "
            f"with TLS"
        )

    def _tls_problem(self, error: OSError) -> str | None:
        reason = getattr(error, "reason", None) or ""
        if any(part in reason for part in NO_CERTIFICATE):
            return (
                "the broker demands a client certificate, which the workers do not have: set WORKERS_BOOTSTRAP_SERVERS to a "
                "port that asks for none (ssl.client.auth=none at the broker), for example one with a login, SASL_SSL"
            )
        if isinstance(error, TimeoutError):
            return None
        return f"TLS failed: {reason.replace('_', ' ').lower() or error.strerror or 'the connection was closed'}"

    def _other_protocol(self, error: Exception) -> str | None:
        """No answer of Kafka came: without TLS the port may speak TLS; with it, the client may be refused only now."""
        if self._tls:
            return self._tls_problem(error) if isinstance(error, OSError) else None
        if isinstance(error, TimeoutError):
            return None
        try:
            with self._connect() as connection:
                connection.begin_tls(None, verify=False)
        except OSError:
            return None if str(error) == "the connection was closed" else f"what listens there is not Kafka: {error}"
        other = "SASL_SSL" if self._sasl else "SSL, or SASL_SSL with a login"
        return f"the port speaks TLS: set WORKERS_SECURITY_PROTOCOL={other}; or WORKERS_BOOTSTRAP_SERVERS to a port without TLS"

    def _login_demanded(self, mechanisms: list[str]) -> str:
        protocol = "SASL_SSL" if self._tls else "SASL_PLAINTEXT"
        return (
            f"the port demands a login: set WORKERS_SECURITY_PROTOCOL={protocol}, WORKERS_SASL_USERNAME and WORKERS_SASL_PASSWORD "
            f"(mechanisms: {', '.join(mechanisms)})"
        )


def _short(text: str, secret: str) -> str:
    """What a broker says, on one line; nobody promises that it does not say what was sent to it."""
    text = " ".join(text.split())[:200]
    return "..." if secret and secret in text else text
