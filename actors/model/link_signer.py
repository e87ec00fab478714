"""Signed links: URLs that answer one question, with a signature instead of a token.

The signature is an HMAC-SHA256 whose key is derived from the secret of the store under a label that nothing else uses. So no other
signature of the store is valid for a link, and the signature of a link is valid for nothing else. A link is not stored: a step makes it,
and every process with the store can check it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import attrs

from actors.errors import AccessDeniedError, ErrorCode
from journal.errors import MalformedIdError
from journal.ids import parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.ids import InvocationId

PATH = "/links/"
"""The path of links on a server, before the token."""

_LABEL = b"signed link"
_QUESTION_BYTES = 16
_TOKEN = re.compile(r"(?P<of>inv_1[0-9A-Za-z]{33})\.(?P<question>[A-Za-z0-9_-]{22})\.(?P<signature>[A-Za-z0-9_-]{43})")


@attrs.frozen(repr=False)
class LinkSigner:
    """Makes and checks the links of one store. ``public_url`` returns the address at the start of links, or None if it is not known."""

    secret: str
    public_url: Callable[[], str | None]

    def url(self, of: InvocationId, question: str) -> str | None:
        """Return the address that answers a question of an invocation, or None if it is not known where the server is."""
        base = self.public_url()
        return None if base is None else f"{base}{PATH}{self.token(of, question)}"

    def token(self, of: InvocationId, question: str) -> str:
        """Return the last part of the address."""
        return f"{of}.{question}.{_text(self._signature(of, question))}"

    def read(self, token: str) -> tuple[InvocationId, str]:
        """Return the invocation and the question of a token. Raises :class:`AccessDeniedError` unless it was signed here."""
        found = _TOKEN.fullmatch(token)
        if found is not None:
            try:
                of = parse_invocation_id(found["of"])
            except MalformedIdError:
                raise _not_signed() from None
            expected = _text(self._signature(of, found["question"]))
            if hmac.compare_digest(expected, found["signature"]):
                return of, found["question"]
        raise _not_signed()

    def _signature(self, of: InvocationId, question: str) -> bytes:
        key = hmac.digest(self.secret.encode(), _LABEL, hashlib.sha256)
        return hmac.digest(key, f"{of}.{question}".encode(), hashlib.sha256)


def question_id(unique: int) -> str:
    """Return the id of a question with these 128 bits."""
    return _text(unique.to_bytes(_QUESTION_BYTES, "big"))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _not_signed() -> AccessDeniedError:
    return AccessDeniedError(
        "this link is not complete or was changed; open it as it was sent to you", code=ErrorCode.FORBIDDEN
    )
