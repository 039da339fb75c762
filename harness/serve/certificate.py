"""A certificate for a server that was given none: made once, kept beside its data."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CERTIFICATE_FILE, KEY_FILE = "certificate.pem", "key.pem"
# Browsers and Apple's systems refuse certificates of more than 398 days.
DAYS = 397


def make_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """The files of a certificate for loopback and this host, and of its key; those of an earlier start if they hold."""
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    if certificate.is_file() and key.is_file() and is_valid(certificate, host):
        return certificate, key
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "detlab serve")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(list_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    # Nobody else may read the key, not even for a moment.
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    certificate.write_bytes(made.public_bytes(encoding))
    return certificate, key


def list_names(host: str) -> list[x509.GeneralName]:
    """Loopback by its names, and the host's own name or address."""
    found: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for each in dict.fromkeys(("127.0.0.1", "::1", host)):
        try:
            found.append(x509.IPAddress(ip_address(each)))
        except ValueError:
            found.append(x509.DNSName(each))
    return found


def is_valid(certificate: Path, host: str) -> bool:
    """Whether a certificate holds for another week and names the host."""
    try:
        held = x509.load_pem_x509_certificate(certificate.read_bytes())
        named = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, OSError, x509.ExtensionNotFound):
        return False
    lasts = held.not_valid_after_utc - datetime.now(UTC) > timedelta(days=7)
    return lasts and all(name in named for name in list_names(host))
