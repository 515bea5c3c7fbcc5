"""Certificate authorities and certificates for tests, made by `openssl`."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

EXTENSIONS = """
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[leaf]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth,clientAuth
"""
DATABASE = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
certificate = {folder}/{name}.crt
private_key = {folder}/{name}.key
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


class Authority:
    """A certificate authority in a folder: `file` is what a client trusts."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed, which makes the certificates of this test")
        folder.mkdir(exist_ok=True)
        self._folder, self._name = folder, name
        self.file, self._key = folder / f"{name}.crt", folder / f"{name}.key"
        self._config = folder / f"{name}.cnf"
        self._config.write_text(EXTENSIONS + DATABASE.format(folder=folder, name=name))
        (folder / "index.txt").touch()
        _new_key(self._key)
        _openssl(
            *("req", "-x509", "-new", "-key", self._key, "-subj", f"/CN={name}", "-days", "2", "-out", self.file),
            *("-config", self._config_for_requests(), "-extensions", "ca"),
        )

    def issue(self, name: str, *, names: str = "IP:127.0.0.1,DNS:localhost", expired: bool = False) -> Path:
        """A PEM file with a private key and the chain of its certificate. Args: names: as subjectAltName has them."""
        key, request, certificate = (self._folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        _new_key(key)
        _openssl(
            *("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request),
            *("-config", self._config_for_requests(), "-addext", f"subjectAltName={names}"),
        )
        dates = ("20200101000000Z", "20200102000000Z") if expired else ("20200101000000Z", "20491231000000Z")
        _openssl(
            *("ca", "-batch", "-notext", "-config", self._config, "-extensions", "leaf", "-in", request),
            *("-out", certificate, "-startdate", dates[0], "-enddate", dates[1]),
        )
        whole = self._folder / f"{name}.pem"
        whole.write_text(key.read_text() + certificate.read_text() + self.file.read_text())
        return whole

    def encrypted(self, whole: Path, password: str) -> Path:
        """The same with the private key encrypted."""
        encrypted = whole.with_suffix(".encrypted.pem")
        key = whole.with_suffix(".encrypted.key")
        _openssl("pkcs8", "-topk8", "-in", whole, "-passout", f"pass:{password}", "-out", key)
        encrypted.write_text(key.read_text() + whole.with_suffix(".crt").read_text())
        return encrypted

    def _config_for_requests(self) -> Path:
        config = self._folder / "request.cnf"
        config.write_text(EXTENSIONS + "[req]\ndistinguished_name = name\n[name]\n")
        return config


def _new_key(path: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


def serving(whole: Path, demanded: Path | None = None) -> ssl.SSLContext:
    """What a server shows. Args: demanded: the authority of the certificates that clients must have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    if demanded:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(demanded)
    return context
