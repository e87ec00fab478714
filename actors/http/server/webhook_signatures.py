"""Verifies the signature of a webhook. A sender has a secret instead of a token, and signs the body with it. The schemes differ only in
their headers:

    github     X-Hub-Signature-256: sha256=HEX                   of the body; there is no time in it
    stripe     Stripe-Signature: t=TIME,v1=HEX[,v1=HEX]          of TIME.BODY
    slack      X-Slack-Request-Timestamp, X-Slack-Signature: v0=HEX        of v0:TIME:BODY
    standard   webhook-id, webhook-timestamp, webhook-signature: v1,BASE64 [v1,BASE64]    of ID.TIME.BODY

A sender delivers an event again if it gets no answer. All deliveries of an event have the same id: in a header with GitHub and Standard
Webhooks, in a field of the body with Stripe and Slack.

Each signature is an HMAC-SHA256. The scheme ``standard`` is https://www.standardwebhooks.com, which playhead's notifications use too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.errors import AccessDeniedError, ErrorCode, InvalidArgumentError
from actors.values.webhook_schemes import WebhookScheme

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.model.webhooks import Webhook

_NOT_STORED = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "stripe-signature",
        "webhook-signature",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-slack-signature",
    }
)
"""Headers that are credentials."""

_TIME = re.compile(r"[0-9]{1,12}")
_MAX_SIGNATURES = 10
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how the secrets of Standard Webhooks begin


def signature_in(webhook: Webhook, headers: Mapping[str, str], now: float) -> WebhookSignature:
    """Return the signature in the headers of a request, whose names are in lower case. It has the form and the time of one, and must be
    verified with the body. Raises :class:`actors.errors.AccessDeniedError`."""
    signed = _SCHEMES[webhook.scheme](headers)
    if signed is None or not signed.signatures:
        raise _unverified(f"it has no signature of the scheme {webhook.scheme.value}")
    if signed.at is not None and abs(now - signed.at) > webhook.tolerance:
        raise _unverified(f"its signature is more than {webhook.tolerance:g} seconds from the server's time")
    return signed


def verify(webhook: Webhook, secret: str, signed: WebhookSignature, body: bytes) -> None:
    """Check the signature of a body. Raises :class:`actors.errors.AccessDeniedError`."""
    key = _key(secret) if webhook.scheme is WebhookScheme.STANDARD else os.fsencode(secret)
    expected = hmac.digest(key, signed.prefix + body, hashlib.sha256)
    matches = [hmac.compare_digest(expected, given) for given in signed.signatures]  # compare all, in constant time
    if not any(matches):
        raise _unverified("its signature does not match; compare the secrets of the sender and of the server")


def delivery_key(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return the id that all deliveries of one event share, or None if the body has none.

    Raises :class:`actors.InvalidArgumentError` if the header with the id is missing.
    """
    header = webhook.idempotency_header or _KEY_HEADERS.get(webhook.scheme)
    if header is None:
        event = _event_in(body)
        return event.id if webhook.scheme is WebhookScheme.STRIPE else event.event_id
    if not headers.get(header):
        raise InvalidArgumentError(f"the webhook has no header {header}, which has the id of the delivery")
    return headers[header]


def challenge_in(webhook: Webhook, body: bytes) -> str | None:
    """Return the text with which the server must answer Slack's verification of a URL, or None if the body is an event.

    https://docs.slack.dev/reference/events/url_verification
    """
    if webhook.scheme is not WebhookScheme.SLACK:
        return None
    event = _event_in(body)
    return event.challenge if event.type == "url_verification" else None


def stored_headers(raw: list[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that a handler gets, from names in lower case with their values."""
    found: dict[str, str] = {}
    for name, value in raw:
        if name not in _NOT_STORED:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


class _Event(msgspec.Struct):
    """The fields of a body that are read before its handler runs. The decoder skips all others."""

    id: str | None = None
    event_id: str | None = None
    type: str | None = None
    challenge: str | None = None


def _event_in(body: bytes) -> _Event:
    try:
        return msgspec.json.decode(body, type=_Event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Event()


def _of_full_length(given: list[bytes]) -> list[bytes]:
    return [each for each in given if len(each) == hashlib.sha256().digest_size]


@attrs.frozen
class WebhookSignature:
    """The signature headers: the signatures, as many bytes as one of SHA-256 has, the signed bytes before the body, and the time."""

    signatures: list[bytes] = attrs.field(converter=_of_full_length)
    prefix: bytes = b""
    at: float | None = None


def _github(headers: Mapping[str, str]) -> WebhookSignature | None:
    kind, _, text = headers.get("x-hub-signature-256", "").partition("=")
    return WebhookSignature(_from_hex([text])) if kind == "sha256" else None


def _stripe(headers: Mapping[str, str]) -> WebhookSignature | None:
    pairs = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or _TIME.fullmatch(times[0]) is None:
        return None
    given = _from_hex([value for name, _, value in pairs if name == "v1"])
    return WebhookSignature(given, f"{times[0]}.".encode(), float(times[0]))


def _slack(headers: Mapping[str, str]) -> WebhookSignature | None:
    time, (version, _, text) = (
        headers.get("x-slack-request-timestamp", ""),
        headers.get("x-slack-signature", "").partition("="),
    )
    if version != "v0" or _TIME.fullmatch(time) is None:
        return None
    return WebhookSignature(_from_hex([text]), f"v0:{time}:".encode(), float(time))


def _standard(headers: Mapping[str, str]) -> WebhookSignature | None:
    message, time = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message or not message.isascii() or _TIME.fullmatch(time) is None:
        return None
    pairs = [part.partition(",") for part in headers.get("webhook-signature", "").split()[:_MAX_SIGNATURES]]
    given = [_from_base64(text) for version, _, text in pairs if version == "v1"]
    return WebhookSignature(given, f"{message}.{time}.".encode(), float(time))


_SCHEMES: dict[WebhookScheme, Callable[[Mapping[str, str]], WebhookSignature | None]] = {
    WebhookScheme.GITHUB: _github,
    WebhookScheme.STRIPE: _stripe,
    WebhookScheme.SLACK: _slack,
    WebhookScheme.STANDARD: _standard,
}

_KEY_HEADERS = {WebhookScheme.GITHUB: "x-github-delivery", WebhookScheme.STANDARD: "webhook-id"}


def _from_hex(texts: list[str]) -> list[bytes]:
    found = []
    for text in texts[:_MAX_SIGNATURES]:
        try:
            found.append(bytes.fromhex(text))
        except ValueError:
            continue
    return found


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _key(secret: str) -> bytes:
    """Return the key of a secret of Standard Webhooks, which is base64 with a prefix."""
    return _from_base64(secret.removeprefix(_SECRET_PREFIX)) or os.fsencode(secret)


def _unverified(why: str) -> AccessDeniedError:
    return AccessDeniedError(f"the webhook is not accepted: {why}", code=ErrorCode.UNAUTHENTICATED)
