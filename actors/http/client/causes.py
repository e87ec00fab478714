"""The reasons of a failed connection in words: which part of TLS failed, or which protocol the server speaks instead."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELF_SIGNED = (18, 19)
_UNKNOWN_ISSUER = (2, 20, 21)
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAME, _OTHER_ADDRESS = 62, 64
"""Codes of OpenSSL (``X509_V_ERR_…`` in x509_vfy.h)."""

GIVE_CA = (
    "If you trust it, give the file with the certificate of its CA: --ca FILE, 'playhead context use NAME --ca FILE', ca= in Python, or "
    "SSL_CERT_FILE"
)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all errors that led to it."""
    found: dict[int, BaseException] = {}
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in found:
            continue
        found[id(one)] = one
        yield one
        left += [one.__context__, one.__cause__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]


def connection_failure(error: Exception) -> tuple[str, str | None]:
    """Return why no connection could be made, and what to do about it; None if only the server itself can tell."""
    for cause in causes_of(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate_failure(cause)
        if isinstance(cause, ssl.SSLError):
            return _handshake_failure(cause)
    told = next((str(cause) for cause in causes_of(error) if str(cause)), "")
    return told or "the connection took too long or was closed", None


def _certificate_failure(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    match error.verify_code:
        case code if code in _SELF_SIGNED:
            return "its certificate is signed by itself, or by a CA that is not trusted here (self-signed)", GIVE_CA
        case code if code in _UNKNOWN_ISSUER:
            return "its certificate is signed by a CA that is not trusted here (unknown CA)", GIVE_CA
        case code if code == _EXPIRED:
            return "its certificate has expired", "Renew the certificate of the server"
        case code if code == _NOT_YET_VALID:
            return "its certificate is not valid yet", "Compare the clocks of both machines"
        case code if code in (_OTHER_NAME, _OTHER_ADDRESS):
            said = error.verify_message.rstrip(".")
            return f"its certificate is for another host: {said}", "Use a name that the certificate contains in the URL"
        case _:
            return f"its certificate is refused: {error.verify_message}", GIVE_CA


def _handshake_failure(error: ssl.SSLError) -> tuple[str, str]:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "it does not speak TLS", "If it speaks plain HTTP, write http:// instead of https://"
    return (
        f"the TLS handshake failed: {error.reason or error}",
        "Compare the versions and ciphers of TLS that both sides allow",
    )


def speaks_tls(error: Exception) -> bool:
    """Report whether a server seems to have answered plain HTTP with a record of TLS: h11 says so of an answer that begins with a control
    character."""
    return "illegal request line" in str(error)
