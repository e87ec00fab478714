"""Sends notices as webhooks, in the form of the Standard Webhooks specification (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from actors.core.notifications import Notice, NotificationRule, PostResult
from actors.errors import MissingExtraError
from actors.extras import require

if TYPE_CHECKING:
    import ssl

    import httpx2

SECRET_PREFIX = "whsec_"  # noqa: S105
"""How the secrets of webhooks begin."""

POST_SECONDS = 15.0
"""How long a receiver may take to answer."""

_ERROR_SHOWN = 300
_GONE = 410


def webhook_secret(store_secret: str, rule: NotificationRule) -> str:
    """Return the secret that signs the notices of a notification, in the form that its receiver uses."""
    text = f"webhook {rule.name} {rule.life} {rule.secret_number}"
    key = hmac.new(store_secret.encode(), text.encode(), hashlib.sha256).digest()
    return SECRET_PREFIX + base64.b64encode(key).decode()


def payload_of(notice: Notice, notification: str) -> bytes:
    """Return the body of a notice: the change and the invocation, without its argument and its result."""
    invocation: dict[str, Any] = {
        "id": notice.invocation_id,
        "target": str(notice.target),
        "service": notice.target.service,
        "key": notice.target.key,
        "handler": notice.target.handler,
        "created_at": _moment(notice.created_at),
        "created_by": notice.created_by,
        "tags": notice.tags,
        "reason": notice.reason,
        "signals": notice.signals,
        "error": {"type": notice.error_type, "message": notice.error} if notice.error_type else None,
    }
    return msgspec.json.encode(
        {
            "type": f"invocation.{notice.kind.value}",
            "timestamp": _moment(notice.at),
            "data": {"notification": notification, "invocation": invocation},
        }
    )


def signed_headers(secret: str, message_id: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers that name and sign a message."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join((message_id.encode(), b"%d" % at, body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "user-agent": "playhead",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{signature}",
    }


async def post(url: str, body: bytes, headers: dict[str, str]) -> PostResult:
    """POST once. A redirect is not followed, so that only the given URL gets the body. After a 410 no further try is made. Never raises,
    except for a cancel, because a store may be served where the extra is not installed."""
    try:
        require("client")
    except MissingExtraError as error:
        return PostResult(error=f"MissingExtraError: {error}")
    import httpx2

    answer = None
    with trio.move_on_after(POST_SECONDS):
        try:
            async with open_http() as http, http.stream("POST", url, content=body, headers=headers) as response:
                answer = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return PostResult(error=f"{type(error).__name__}: {error}"[:_ERROR_SHOWN])
    if answer is None:
        return PostResult(error=f"no answer within {POST_SECONDS:g} seconds")
    if 200 <= answer < 300:
        return PostResult()
    return PostResult(error=f"the answer was HTTP {answer}", is_final=answer == _GONE)


def open_http() -> httpx2.AsyncClient:
    """Return a client for one request."""
    import httpx2

    return httpx2.AsyncClient(verify=_tls(), timeout=None)


@cache
def _tls() -> ssl.SSLContext:  # reading the certificates takes longer than a request
    import httpx2

    return httpx2.create_ssl_context()


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
