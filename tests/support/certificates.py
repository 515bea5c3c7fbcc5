"""Certificate authorities and certificates for tests."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

VALID = timedelta(days=2)


class Authority:
    """A certificate authority in a folder: `file` is what a client trusts."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._name = folder, name
        self._authority = trustme.CA(organization_name=name)
        self.file = folder / f"{name}.crt"
        self._authority.cert_pem.write_to_path(self.file)
        self._authority.private_key_pem.write_to_path(folder / f"{name}.key")

    def issue(self, name: str, *, names: tuple[str, ...] = ("127.0.0.1", "localhost"), expired: bool = False) -> Path:
        """A PEM file with a private key and the chain of its certificate, for servers and clients.

        Args: names: the hosts and addresses that it is valid for.
        """
        until = datetime.now(UTC) + (-VALID if expired else VALID)
        issued = self._authority.issue_cert(*names, common_name=name, not_before=until - VALID, not_after=until)
        whole, certificate = self._folder / f"{name}.pem", issued.cert_chain_pems[0].bytes()
        # Kafka reads keys of PKCS #8 only.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        whole.with_suffix(".crt").write_bytes(certificate)
        whole.write_bytes(plain + certificate + self.file.read_bytes())
        return whole

    def encrypted(self, whole: Path, password: str) -> Path:
        """The same with the private key encrypted."""
        encrypted = whole.with_suffix(".encrypted.pem")
        key = load_pem_private_key(whole.read_bytes(), None)
        hidden = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
        encrypted.write_bytes(hidden + whole.with_suffix(".crt").read_bytes())
        return encrypted


def serving(whole: Path, demanded: Path | None = None) -> ssl.SSLContext:
    """What a server shows. Args: demanded: the authority of the certificates that clients must have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    if demanded:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(demanded)
    return context
