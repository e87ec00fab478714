"""Webhooks of external services: verified by the signature of the body, and answered once they are on disk.

The body may have any content type, because a page of another site can send a request but cannot sign it. A request that is not verified
is recorded only in the audit log, at the limited rate of denied requests.
"""

from __future__ import annotations

import os

import msgspec

from actors.errors import AccessDeniedError, UnavailableError
from actors.http.messages import JSON, HttpResponse
from actors.http.models import SentModel
from actors.http.routes import Route
from actors.http.server.calls import target_of
from actors.http.server.request_context import Exchange, query_of
from actors.http.server.webhook_signatures import challenge_in, delivery_key, signature_in, stored_headers, verify
from actors.model.webhooks import Webhook, WebhookRequest


async def take_webhook(exchange: Exchange) -> SentModel | HttpResponse:
    """Accept the webhook of a verified sender, durably."""
    target, _ = target_of(exchange, tuple(exchange.path.values()), may_send=False)
    webhook = exchange.client.webhook_of(target)
    raw = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in exchange.request.headers.raw]
    headers = dict(raw)  # of a repeated header, the signature and the id of the delivery use the same value
    try:
        # Before the body, so that a stranger without any signature makes the server read nothing.
        signed = signature_in(webhook, headers, exchange.client.now)
        secret = _secret_of(webhook)
        body = await exchange.body(webhook.body_bytes)
        verify(webhook, secret, signed, body)
    except (AccessDeniedError, UnavailableError) as refusal:
        await exchange.note_denied(refusal)
        raise
    challenge = challenge_in(webhook, body)
    if challenge is not None:
        return HttpResponse(msgspec.json.encode({"challenge": challenge}), media_type=JSON)
    query: dict[str, list[str]] = {}
    for name, value in query_of(exchange.request):
        query.setdefault(name, []).append(value)
    request = WebhookRequest(headers=stored_headers(raw), body=body, query=query)
    key = delivery_key(webhook, headers, body)
    client = exchange.client.acting_as(
        f"webhook:{target.service}/{target.handler}", exchange.client.who.source, idempotency_namespace="webhook"
    )
    sent = await client.send_webhook(target, request, key)
    return SentModel(invocation_id=sent.invocation_id, status="Accepted" if sent.is_new else "PreviouslyAccepted")


def _secret_of(webhook: Webhook) -> str:
    secret = os.environ.get(webhook.secret, "")
    if not secret:
        raise UnavailableError(
            f"the webhook cannot be verified: the server's environment variable {webhook.secret} is not set"
        )
    return secret


ROUTES = (
    # The OpenAPI document has a path for each handler instead of these.
    Route("POST", "/webhooks/{service}/{handler}", None, take_webhook, status=202, is_raw=True, is_documented=False),
    Route(
        "POST", "/webhooks/{service}/{key}/{handler}", None, take_webhook, status=202, is_raw=True, is_documented=False
    ),
)
