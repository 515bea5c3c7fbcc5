"""The rules for WORKERS_MONGODB_URI. Nothing is looked up or connected here: a name that DNS does not know may be known soon.

A problem names an option, never a value: a value may be a password. It also never quotes the part before the options,
which holds one.
"""

from __future__ import annotations

import difflib
import re
import ssl
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from workers.settings.files import UnreadableError, read_file, shown
from workers.settings.mongodb_hosts import SCHEME, is_plain

# The driver is imported where it is needed: it is half of the time that a command takes to start.
SRV_SCHEME = "mongodb+srv://"
KNOWN = [
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "compressors",
    "connectTimeoutMS",
    "directConnection",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxConnecting",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "serverMonitoringMode",
    "serverSelectionTimeoutMS",
    "socketTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "timeoutMS",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsAllowInvalidHostnames",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsCertificateKeyFilePassword",
    "tlsCRLFile",
    "tlsInsecure",
    "tlsDisableOCSPEndpointCheck",
    "uuidRepresentation",
    "w",
    "waitQueueTimeoutMS",
    "wTimeoutMS",
    "zlibCompressionLevel",
]
"""The options that are suggested for one that is not known: https://www.mongodb.com/docs/manual/reference/connection-string-options/"""
ABBREVIATIONS = {"j": "journal", "wtimeout": "wTimeoutMS", "user": "authSource", "replset": "replicaSet"}
CA_FILE, KEY_FILE, KEY_PASSWORD, CRL_FILE = (
    "tlscafile",
    "tlscertificatekeyfile",
    "tlscertificatekeyfilepassword",
    "tlscrlfile",
)
FILES = (CA_FILE, KEY_FILE, CRL_FILE)
SECRET = (KEY_PASSWORD, "authmechanismproperties")
"""Options about whose value nothing is said at all."""
ONLY_SRV = ("srvservicename", "srvmaxhosts", "srvallowedhostssuffix")


def uri_problem(uri: str) -> str | None:
    """Why this URI cannot be used; None: it can. Reads the files that it names."""
    if is_plain(uri):
        return None
    before, _, options = uri.partition("?")
    if not uri.startswith((SCHEME, SRV_SCHEME)):
        return f"not a MongoDB URI: it begins with neither {SCHEME} nor {SRV_SCHEME}"
    if any(not character.isprintable() or character.isspace() for character in uri):
        return "not a MongoDB URI: it holds white space or a control character; write it as %20 or the like"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = (
            _options_problem(options)
            or _files_problem(options)
            or _srv_problem(uri, before)
            or _address_problem(uri, options)
            or _client_problem(uri)
        )
    if problem and "@" in options and "@" not in before:
        # The user or the password may hold a "?", and what looks like an option may be the rest of it.
        return "not a MongoDB URI: in the user name and the password, write ? as %3F, / as %2F, @ as %40 and % as %25"
    return problem


def _options_problem(options: str) -> str | None:
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import split_options

    pairs = [pair for pair in re.split("[&;]", options) if pair] if options else []
    seen: set[str] = set()
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not re.fullmatch("[A-Za-z]{1,40}", name):
            return "an option has a name that MongoDB's driver does not know; it is not shown, it may be part of a password"
        if not separator or ("=" in value and name.lower() not in SECRET):
            return f"option {name}: write it as {name}=value"
        if name.lower() in seen and name.lower() != "readpreferencetags":
            return f"option {name} is given twice; keep one of them"
        seen.add(name.lower())
        if name.lower() in FILES:
            try:
                read_file(Path(unquote_plus(value)))
            except UnreadableError as error:
                return f"option {name}: {error}"
            continue
        try:
            split_options(pair)
        except (PyMongoError, ValueError, TypeError) as error:
            if "Unknown option" in str(error):
                return f"unknown option {name}{_suggestion(name)}"
            return f"option {name}: {_said(error, name, value)}"
    return None


def _suggestion(name: str) -> str:
    known = {each.lower(): each for each in KNOWN}
    near = [ABBREVIATIONS[name.lower()]] if name.lower() in ABBREVIATIONS else None
    near = near or [known[each] for each in difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)]
    return f"; did you mean {near[0]}?" if near else "; remove it"


def _said(error: Exception, name: str, value: str) -> str:
    """What the driver says about a value, unless that quotes the value."""
    text = " ".join(str(error).split())
    quoted = any(each and each.lower() in text.lower() for each in (value, unquote_plus(value)))
    if quoted or name.lower() in SECRET or len(text) > 200:
        return "MongoDB's driver does not take its value"
    return text


def _files_problem(options: str) -> str | None:
    """Whether each file of TLS holds what it should: the driver would say so when it connects, without the file's name."""
    given = {
        name.lower(): unquote_plus(value) for name, _, value in (p.partition("=") for p in re.split("[&;]", options))
    }
    for name in (CA_FILE, CRL_FILE):
        if name not in given:
            continue
        try:
            # As the driver does: only this also takes lists of revoked certificates.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(given[name])
        except (OSError, ValueError):
            what = "list of revoked certificates" if name == CRL_FILE else "certificate"
            return f"option {_cased(name)}: {shown(given[name])} holds no {what}: it must be a PEM file"
    if KEY_FILE not in given:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(given[KEY_FILE], password=lambda: given.get(KEY_PASSWORD, ""))
    except (ssl.SSLError, ValueError) as error:
        path, reason = given[KEY_FILE], getattr(error, "reason", None) or ""
        if b"ENCRYPTED" in read_file(Path(path)):
            return f"option tlsCertificateKeyFile: the key in {shown(path)} is encrypted: is tlsCertificateKeyFilePassword right?"
        if reason == "KEY_VALUES_MISMATCH":
            return f"option tlsCertificateKeyFile: the key in {shown(path)} does not belong to its certificate"
        return f"option tlsCertificateKeyFile: {shown(path)} does not hold a certificate and its private key, as PEM"
    return None


def _cased(name: str) -> str:
    return next(each for each in KNOWN if each.lower() == name)


def _srv_problem(uri: str, before: str) -> str | None:
    if not uri.startswith(SRV_SCHEME):
        return None
    host = before.removeprefix(SRV_SCHEME).partition("/")[0].rpartition("@")[2]
    if not host or "," in host or ":" in host or re.fullmatch(r"[0-9.]*|\[.*", host):
        return "mongodb+srv:// takes one name, without a port: DNS has the hosts and ports behind it"
    return None


def _address_problem(uri: str, options: str) -> str | None:
    """Parsed as if it were mongodb://, because parsing the other kind asks DNS."""
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    kept = [pair for pair in re.split("[&;]", options) if pair.partition("=")[0].lower() not in ONLY_SRV]
    plain = SCHEME + uri.partition("?")[0].removeprefix(SRV_SCHEME).removeprefix(SCHEME)
    if uri.startswith(SCHEME):
        kept = [pair for pair in re.split("[&;]", options) if pair]
    try:
        parsed: dict[str, Any] = parse_uri(plain + ("?" + "&".join(kept) if kept else ""), validate=True)
    except (PyMongoError, ValueError, TypeError) as error:
        # The driver quotes parts of the URI, and a malformed one may hold its password anywhere.
        return f"not a MongoDB URI ({type(error).__name__}); not shown, it may hold a password"
    found = parsed["options"]
    if found.get("w", "majority") != "majority":
        # A known option, and a value that is no secret: as in earlier versions.
        return f"w={found['w']}: use majority, or a write that was acknowledged can be lost"
    if found.get("journal") is False:
        return "journal=false: remove it, or a write that was acknowledged in memory only can be lost"
    return None


def _client_problem(uri: str) -> str | None:
    """What only the client itself refuses: options that exclude each other."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        MongoClient(uri, w="majority", journal=True, connect=False).close()
    except (PyMongoError, ValueError, TypeError, OSError) as error:
        return f"MongoDB's driver does not take these options together ({type(error).__name__}); not shown, they may hold a password"
    return None
