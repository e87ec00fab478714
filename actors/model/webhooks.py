"""Webhooks: handlers that external services call. ``actors/http/server/webhook_signatures.py`` verifies who sent a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

import attrs
import msgspec

from actors.errors import InvalidArgumentError
from actors.values.arguments import MAX_NAME, checked_count, checked_name, checked_seconds, is_a, one_of
from actors.values.webhook_schemes import WebhookScheme

if TYPE_CHECKING:
    from actors.values.arguments import Seconds

BODY_BYTES = 1 << 20
"""The longest body of a webhook, unless its handler says otherwise."""

MAX_BODY_BYTES = 25 << 20
"""The longest body that a handler may allow."""

TOLERANCE_SECONDS = 300.0
"""How far the time in a signature may be from the server's clock."""

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")


@attrs.frozen(kw_only=True)
class WebhookRequest:
    """The request of a verified sender, which its handler receives and the history contains.

    ``headers`` have lower-case names; the values of a repeated header are joined with commas. Credentials are left
    out: ``authorization``, ``cookie``, and the signature. ``query`` has all values of each name.

    ::

        @handler(webhook=Webhook("github", secret="GITHUB_WEBHOOK_SECRET"))
        async def pushed(self, request: WebhookRequest) -> None:
            self.commit = request.json()["after"]
    """

    headers: dict[str, str]
    body: bytes
    query: dict[str, list[str]] = attrs.field(factory=dict)

    def json(self) -> Any:
        """Return the body as JSON. Raises :class:`actors.InvalidArgumentError`, which fails the invocation."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidArgumentError(f"the body of the webhook is not JSON: {error}", path="body") from error

    @property
    def form(self) -> dict[str, list[str]]:
        """Parse the body as a form, and return all values of each name. Raises :class:`actors.InvalidArgumentError`."""
        try:
            return parse_qs(
                self.body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(self.body), errors="strict"
            )
        except ValueError as error:
            raise InvalidArgumentError(f"the body of the webhook is not a form: {error}", path="body") from error


def _scheme(value: Literal["github", "stripe", "slack", "standard"] | WebhookScheme) -> WebhookScheme:
    found: WebhookScheme = one_of(WebhookScheme, value, "scheme")
    return found


def _secret(value: str) -> str:
    if not is_a(value, str) or _ENVIRONMENT_NAME.fullmatch(value) is None:
        raise InvalidArgumentError(
            "secret must be the name of an environment variable, such as 'GITHUB_WEBHOOK_SECRET'; the secret itself would be stored with "
            "the code",
            path="secret",
        )
    return value


def _header(value: str | None) -> str | None:
    return None if value is None else checked_name(value, "idempotency_header", MAX_NAME).lower()


def _tolerance(value: Seconds) -> float:
    return checked_seconds(value, "tolerance", is_above_zero=True)


def _body_bytes(value: int) -> int:
    return checked_count(value, "body_bytes", at_most=MAX_BODY_BYTES)


@attrs.frozen
class Webhook:
    """Lets an external service call a handler: ``@handler(webhook=Webhook("github", secret="GITHUB_WEBHOOK_SECRET"))``.

    ``scheme`` is the form of the signature: ``github``, ``stripe``, ``slack`` or ``standard``. ``secret`` is the name of the environment
    variable that has the secret. ``idempotency_header`` is the name of the header that has the id of the event; by default
    ``x-github-delivery`` or ``webhook-id``, or Stripe's ``id`` or Slack's ``event_id`` in the body. ``tolerance`` is the largest
    difference between the time in the signature and the server's clock, in seconds or a timedelta; GitHub's signature has no time.
    ``body_bytes`` is the longest body, by default 1 MiB; the whole request, with the body as base64, must also fit into
    ``Limits.payload_bytes``.

    Raises :class:`actors.InvalidArgumentError`.

    ::

        class Repository(Actor):
            @handler(webhook=Webhook("github", secret="GITHUB_WEBHOOK_SECRET"))
            async def pushed(self, request: WebhookRequest) -> None:  # POST /webhooks/Repository/KEY/pushed
                await build(request.json()["after"])
    """

    scheme: WebhookScheme = attrs.field(converter=_scheme)
    secret: str = attrs.field(kw_only=True, converter=_secret)
    idempotency_header: str | None = attrs.field(kw_only=True, default=None, converter=_header)
    tolerance: float = attrs.field(kw_only=True, default=TOLERANCE_SECONDS, converter=_tolerance)
    body_bytes: int = attrs.field(kw_only=True, default=BODY_BYTES, converter=_body_bytes)
