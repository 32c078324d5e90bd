"""The server's own certificate and key, judged before it listens."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InputError, SettingsError

_PEM = {"certificate": b"-----BEGIN CERTIFICATE-----", "private key": b"PRIVATE KEY-----"}


def check_certificate(certificate: Path | None, key: Path | None) -> tuple[Path, Path]:
    """The two files for TLS; the key may stand in the certificate's.

    Raises
    ------
    SettingsError
        There is a key and no certificate.
    InputError
        A file cannot be read, is no PEM file of its kind, may be read by others, asks for a passphrase, or both do not belong
        together; or the certificate has run out, or does not count yet.
    """
    if certificate is None:
        raise SettingsError("--tls-key belongs to --tls-cert; pass the certificate too.")
    key = key or certificate
    _check_pem(certificate, "certificate", "--tls-cert")
    _check_pem(key, "private key", "--tls-key")
    if key.stat().st_mode & 0o077 and os.name == "posix":
        raise InputError(f"{key} holds the private key and can be read by others; run: chmod 600 {key}")
    _check_times(certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except _PassphraseError as error:
        raise InputError(f"{key} asks for a passphrase, and nobody is there to type it; store the key without one.") from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InputError(
                f"{key} is not the key of the first certificate in {certificate}; pass those that belong together."
            ) from error
        raise InputError(
            f"{certificate} and {key} cannot be used for TLS ({error.reason or error}); ask for new ones."
        ) from error
    return certificate, key


class _PassphraseError(Exception):
    """A key is locked."""


def _no_passphrase() -> str:
    raise _PassphraseError


def _check_pem(path: Path, what: str, option: str) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {option} needs a {what} in PEM.") from error
    if _PEM[what] not in content:
        raise InputError(f"{path} holds no {what} in PEM (its text would hold {_PEM[what].decode()}); {option} needs one.")


def _check_times(path: Path) -> None:
    from cryptography import x509

    try:
        first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except ValueError as error:
        raise InputError(f"{path} is a damaged certificate; ask for a new one.") from error
    now = datetime.now(UTC)
    if now > first.not_valid_after_utc:
        raise InputError(f"The certificate {path} ran out on {first.not_valid_after_utc:%Y-%m-%d}; browsers refuse it. Renew it.")
    if now < first.not_valid_before_utc:
        raise InputError(
            f"The certificate {path} counts from {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on; check the clock."
        )
