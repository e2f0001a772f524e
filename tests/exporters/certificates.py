"""An authority on disk, and certificates of it: for a server on loopback, and for its clients."""

from __future__ import annotations

import datetime
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

DAY = datetime.timedelta(days=1)


class Authority:
    """Writes ``NAME.crt`` into the directory, and ``WHO.crt`` and ``WHO.key`` for whom it issues to."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        made = (
            _begun(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = directory / f"{name}.crt"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, who: str, *, ends: datetime.timedelta = DAY, passphrase: bytes = b"") -> int:
        """Make a pair for 127.0.0.1 by that name, and give its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _begun(_named(who), self._name, key, ends)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        way: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            way = serialization.BestAvailableEncryption(passphrase)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way)
        # As who renews certificates does it: the old files are replaced, each in one step.
        for suffix, content in (("crt", made.public_bytes(serialization.Encoding.PEM)), ("key", pem)):
            beside = self._directory / f"{who}.{suffix}.new"
            beside.write_bytes(content)
            os.replace(beside, self._directory / f"{who}.{suffix}")
        return made.serial_number


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime.timedelta = DAY
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * DAY)
        .not_valid_after(now + ends)
    )
