"""The web configuration file, in the format of Prometheus' exporters: TLS, whose certificates are asked, passwords.

The format is that of the Prometheus exporter toolkit (docs/web-configuration.md there). What is taken here, its
`promtool check web-config` takes too; a few things that it takes are refused here, and the message says why: what
would look like protection and be none. Only this module has to do with TLS for what comes in.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_FILE = 64 << 10  # bytes
MAX_COST = 14  # of bcrypt: about a second for each password that is tried

_HASH = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_ASKED = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireClientCert", "RequireAnyClientCert")
_SUITES = "is not to be chosen here: those of OpenSSL for these versions are used; leave it out"
_REFUSED = {
    "cipher_suites": _SUITES,
    "prefer_server_cipher_suites": _SUITES,
    "curve_preferences": _SUITES,
    "cert": "is for a file here; write cert_file",
    "key": "is for a file here; write key_file",
    "client_ca": "is for a file here; write client_ca_file",
    "client_allowed_sans": "is not looked at here; name in client_ca_file an authority whose every client may come",
}
_TLS = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version")
_HTTP = ("http2", "headers")
_SECTIONS = ("tls_server_config", "http_server_config", "basic_auth_users")
# Which headers the format knows, and what they may say: anything where nothing is named.
_HEADERS: dict[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
_BOOLEANS = ("true", "false", "yes", "no", "on", "off")
_NULLS = ("", "~", "null", "Null", "NULL")

# What tells one state of a file from another: device, inode, size, times of the last change of content and of rights.
Signature = tuple[int, int, int, int, int]


class WebConfig(NamedTuple):
    """What a file says. ``users``: name to bcrypt hash; ``seen``: the files that it was read from, as they were."""

    context: ssl.SSLContext | None
    users: Mapping[str, bytes]
    headers: tuple[tuple[str, str], ...]
    seen: Mapping[str, Signature | None]

    def weaker_than(self, other: WebConfig) -> str:
        """What ``other`` protects by and this does not; "" for nothing."""
        if other.context and not self.context:
            return "tls_server_config"
        if other.context and self.context and self.context.verify_mode < other.context.verify_mode:
            return "tls_server_config.client_auth_type"
        return "basic_auth_users" if other.users and not self.users else ""


def read(path: str, credentials: str | None = None) -> WebConfig:
    """What the file says, with all that it names. Raises ConfigError that names file, line, key and what is right.

    ``credentials``: directory that systemd has put files in for us (systemd.exec(5), LoadCredential=): one of the same
    name there is taken in place of ``path``. Relative paths in the file are taken from its own directory.
    """
    loaded = f"{credentials}/{Path(path).name}"
    # One that is there and cannot be read is a fault, and not a reason to read another.
    place = loaded if credentials and _is_there(loaded) else path
    seen = {place: signature(place)}
    return _Reader(place, seen).read(_content(place, place, MAX_FILE))


def signature(path: str) -> Signature | None:
    """The state of a file; None where there is none to be seen."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        pass
    return True


def secured(connection: socket.socket, context: ssl.SSLContext, seconds: float) -> socket.socket:
    """The connection within TLS, once the client has shaken hands, all of it in ``seconds``.

    Raises OSError where it does not; the connection is closed then.
    """
    connection.settimeout(seconds)
    with suppress(ValueError):  # so the library calls a socket whose client has gone already
        inside = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            inside.do_handshake()
        except OSError:
            inside.close()
            raise
        return inside
    connection.close()
    raise ConnectionError("the client has gone")


def part(connection: socket.socket) -> None:
    """Say to a client in TLS that this was all; its word is not waited for."""
    if isinstance(connection, ssl.SSLSocket):
        with suppress(OSError, ValueError):
            connection.settimeout(0)
            connection.unwrap()


def holder(connection: socket.socket) -> str:
    """The common name of the certificate that a client has shown and that was verified; "" where there is not one."""
    if not isinstance(connection, ssl.SSLSocket) or connection.context.verify_mode == ssl.CERT_NONE:
        return ""
    # What the library gives here it has verified: of a certificate that it has not, it gives nothing.
    shown = connection.getpeercert() or {}
    subject: Any = shown.get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else ""


def _content(path: str, where: str, most: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{where}: {reason}; name a file that the exporter may read") from None
    if len(content) > most:
        raise ConfigError(f"{where}: larger than {most} bytes; give a file of the size of a page")
    return content


class _Reader:
    """One reading of one file: gathers every fault, and raises them together."""

    def __init__(self, place: str, seen: dict[str, Signature | None]) -> None:
        self._place = place
        self._seen = seen
        self._faults: list[str] = []

    def read(self, content: bytes) -> WebConfig:
        sections = self._members(self._parsed(content), "", self._known(_SECTIONS))
        tls = self._texts(sections.get("tls_server_config"), "tls_server_config", self._known(_TLS, _REFUSED))
        http = self._members(sections.get("http_server_config"), "http_server_config", self._known(_HTTP))
        users = self._texts(sections.get("basic_auth_users"), "basic_auth_users", _user)
        headers = self._texts(http.get("headers"), "http_server_config.headers", self._known(tuple(_HEADERS)))
        self._check(users, "basic_auth_users", _hash)
        self._check(headers, "http_server_config.headers", _header)
        if "http2" in http:
            self._check({"http2": self._text(http["http2"], "http_server_config.http2")}, "http_server_config", _http2)
        self._check(tls, "tls_server_config", _tls)
        self._raise()
        context = self._context({key: value for key, value in tls.items() if value}, written=bool(tls))
        self._raise()
        # The one that is sent always is not sent twice.
        shown = tuple((name, value) for name, value in headers.items() if name != "X-Content-Type-Options")
        return WebConfig(context, {name: text.encode() for name, text in users.items()}, shown, self._seen)

    def _raise(self) -> None:
        if self._faults:
            raise ConfigError("\n".join(self._faults))

    def _fault(self, key: str, text: str, line: int | None = None) -> None:
        placed = "" if line is None else f"line {line}: "
        self._faults.append(f"{self._place}: {placed}{key + ': ' if key else ''}{text}")

    def _parsed(self, content: bytes) -> Any:
        """The root of the document, as the library's nodes: they know their lines, and two keys of one name."""
        try:
            return yaml.compose(content.decode("utf-8-sig"), Loader=yaml.BaseLoader)
        except UnicodeDecodeError:
            text = "not UTF-8; save the file as UTF-8"
        except RecursionError:
            text = "lists inside lists without end"
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f"line {mark.line + 1}: " if mark else ""
            text = f"{line}not YAML: {getattr(error, 'problem', None) or 'a character that it does not have'}"
        raise ConfigError(f"{self._place}: {text}") from None

    def _members(self, node: Any, key: str, fault: Callable[[str], str]) -> dict[str, Any]:
        """Key to node of a mapping that may be left out; ``fault`` says what is wrong with a key, "" for nothing."""
        if node is None or (node.id == "scalar" and node.style is None and node.value in _NULLS):
            return {}
        if node.id != "mapping":
            self._fault(key, "is no mapping; write `name: value` lines", node.start_mark.line + 1)
            return {}
        found: dict[str, Any] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if name.id != "scalar":
                self._fault(key, "has a key that is no text", line)
                continue
            whole = f"{key}.{name.value}" if key else name.value
            wrong = "is there twice; leave one" if name.value in found else fault(name.value)
            if wrong:
                self._fault(whole, wrong, line)
            found[name.value] = value
        return found

    def _texts(self, node: Any, key: str, fault: Callable[[str], str]) -> dict[str, str]:
        members = self._members(node, key, fault)
        return {name: self._text(value, f"{key}.{name}") for name, value in members.items()}

    def _text(self, node: Any, key: str) -> str:
        if node.id != "scalar":
            self._fault(key, "is not a text", node.start_mark.line + 1)
            return ""
        return "" if node.style is None and node.value in _NULLS else str(node.value)

    def _known(self, names: tuple[str, ...], refused: Mapping[str, str] | None = None) -> Callable[[str], str]:
        def fault(name: str) -> str:
            if refused and name in refused:
                return refused[name]
            return "" if name in names else f"no such key; known here: {', '.join(names)}"

        return fault

    def _check(self, written: Mapping[str, str], key: str, faults: Callable[[str, str], str]) -> None:
        for name, value in written.items():
            if wrong := faults(name, value):
                self._fault(f"{key}.{name}", wrong)

    def _context(self, tls: Mapping[str, str], *, written: bool) -> ssl.SSLContext | None:
        if not written:
            return None
        self._together(tls)
        files = {key: self._file(key, tls[key]) for key in ("cert_file", "key_file", "client_ca_file") if key in tls}
        self._raise()
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = _VERSIONS[tls.get("min_version", "TLS12")]
        made.maximum_version = _VERSIONS[tls.get("max_version", "TLS13")]
        # Nothing is resumed: whose certificate has ended, or is no longer wanted, does not come in by an old session.
        made.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        made.num_tickets = 0
        made.set_alpn_protocols(["http/1.1"])
        try:
            made.load_cert_chain(files["cert_file"], files["key_file"], password=lambda: b"")
        except (ssl.SSLError, ValueError) as error:
            self._fault("tls_server_config.cert_file", _pair(error))
        if "client_ca_file" in files:
            self._authorities(made, files["client_ca_file"], tls["client_auth_type"])
        return made

    def _authorities(self, made: ssl.SSLContext, file: str, asked: str) -> None:
        try:
            made.load_verify_locations(file)
        except (ssl.SSLError, ValueError):
            self._fault("tls_server_config.client_ca_file", f"{file}: holds no certificates in PEM")
        made.verify_mode = _ASKED[asked]
        # Each certificate of the file is trusted by itself, as in Go: one in the middle of a chain, too.
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

    def _together(self, tls: Mapping[str, str]) -> None:
        """What one key needs of another."""
        for key in ("cert_file", "key_file"):
            if key not in tls:
                self._fault(f"tls_server_config.{key}", "missing; there is no TLS without it")
        asks = tls.get("client_auth_type", "NoClientCert") != "NoClientCert"
        if asks and "client_ca_file" not in tls:
            self._fault("tls_server_config.client_ca_file", "missing; client_auth_type needs whom to believe")
        if "client_ca_file" in tls and not asks:
            text = "missing; with client_ca_file, write RequireAndVerifyClientCert or VerifyClientCertIfGiven"
            self._fault("tls_server_config.client_auth_type", text)
        if tls.get("min_version") == "TLS13" and tls.get("max_version") == "TLS12":
            self._fault("tls_server_config.max_version", "is below min_version; leave it out")

    def _file(self, key: str, written: str) -> str:
        path = str(Path(self._place).absolute().parent / written)
        self._seen[path] = signature(path)
        try:
            _content(path, f"{self._place}: tls_server_config.{key}: {written}", 1 << 20)
        except ConfigError as error:
            self._faults.append(str(error))
        return path


def _user(name: str) -> str:
    if not name or not name.isprintable() or ":" in name:
        return "cannot be the name of a user; write 1 or more characters that can be seen, and no colon"
    return ""


def _hash(_: str, text: str) -> str:
    # The text itself is not shown: it may be the password.
    found = _HASH.fullmatch(text)
    if found is None:
        return "is no bcrypt hash; `htpasswd -nBC 10 NAME` makes one"
    return (
        f"costs more than {MAX_COST} (2^{found[1]} rounds); make it anew with 10 to 12"
        if int(found[1]) > MAX_COST
        else ""
    )


def _header(name: str, value: str) -> str:
    allowed = _HEADERS.get(name, ())
    if allowed and value not in allowed:
        return f"{value!r} is not one of {', '.join(allowed)}"
    if not (value.isascii() and value.isprintable()):
        return "has characters that no header may have; write it in ASCII"
    return ""


def _http2(_: str, text: str) -> str:
    return "" if text.lower() in _BOOLEANS or not text else f"{text!r} is neither true nor false"


def _tls(key: str, value: str) -> str:
    if key in ("min_version", "max_version") and value and value not in _VERSIONS:
        return f"{value!r} is not one of {', '.join(_VERSIONS)}; what is older protects nobody"
    if key == "client_auth_type" and value in _UNVERIFIED:
        return f"{value} asks for a certificate and believes any; write RequireAndVerifyClientCert"
    if key == "client_auth_type" and value and value not in _ASKED:
        return f"{value!r} is not one of {', '.join(_ASKED)}"
    return ""


def _pair(error: Exception) -> str:
    """Why a certificate and its key are not taken."""
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return "is not the certificate of the key in key_file"
    return "and key_file do not hold a certificate and its key, in PEM and without a passphrase"


def costs(users: Mapping[str, bytes]) -> Iterator[int]:
    """The cost of each hash."""
    return (int(hashed[4:6]) for hashed in users.values())
