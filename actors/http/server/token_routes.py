"""The tokens of a server's data directory, or of its cluster. Creating and revoking them is audited, failed attempts included.

In a data directory, a change takes effect with a write of the token file, which also records the audit entry as outstanding. The entry is then written
to the audit log and removed from the file. If the process dies in between, the next start or the next change writes the entry; the
audit log never gets it twice. In a cluster, the change and its audit entry are one commit.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import attrs
import msgspec
import trio

from actors.errors import ConflictError, ErrorCode, RefusedError, UnavailableError, UnknownOutcomeError
from actors.http.requests import ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.http.server.shared_tokens import SharedTokens, create_shared
from actors.http.tokens import NAME_PATTERN, OwedNote, TokenBook
from actors.model.verb_options import ReasonText
from actors.rows.audit import ControlAction
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.http.server.shared_tokens import Tokens
    from actors.query.audit import AuditPage
    from actors.rows.audit import Principal

T = TypeVar("T")

log = SafeLogger(__name__)


@attrs.frozen(kw_only=True)
class TokenInfo:
    """A named token, without its secret or its hash."""

    name: str
    scope: TokenScope
    created_at: float


@attrs.frozen(kw_only=True)
class TokenList:
    """Tokens, oldest first."""

    tokens: list[TokenInfo]


@attrs.frozen(kw_only=True)
class MadeToken:
    """A new token. It is shown only once; only its hash is stored."""

    name: str
    scope: TokenScope
    token: str


@attrs.frozen(kw_only=True)
class RevokedToken:
    """The name of a revoked token."""

    name: str


@attrs.frozen(kw_only=True)
class TokenBody:
    """The name and the scope of a token."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    scope: TokenScope
    reason: ReasonText = ""


async def list_tokens(exchange: Exchange) -> TokenList:
    """List the named tokens with their scopes; never the tokens themselves."""
    tokens = _tokens_of(exchange).named()
    return TokenList(tokens=[TokenInfo(name=t.name, scope=t.scope, created_at=t.created_at) for t in tokens])


async def create_token(exchange: Exchange, body: TokenBody) -> MadeToken:
    """Create a token, which is valid at once and shown only once."""
    match _tokens_of(exchange):
        case SharedTokens():
            token = await create_shared(exchange.client, body.name, body.scope, body.reason)
        case TokenBook() as book:
            token = await create(book, body.name, body.scope, body.reason, exchange.client)
    return MadeToken(name=body.name, scope=body.scope, token=token)


async def revoke_token(exchange: Exchange, body: ReasonBody) -> RevokedToken:
    """Revoke a token. The server, and in a cluster every living node, refuses it from now on."""
    name = exchange.path["name"]
    match _tokens_of(exchange):
        case SharedTokens():
            await exchange.client.revoke_token(name, body.reason)
        case TokenBook() as book:
            await revoke(book, name, body.reason, exchange.client)
    return RevokedToken(name=name)


class Auditor(Protocol):
    """Writes audit entries on behalf of a principal: through a client in a server, or from a command on a directory
    that no process serves.
    """

    @property
    def who(self) -> Principal: ...
    def acting_as(self, by: str, source: str) -> Auditor: ...
    async def note(self, act: ControlAction, *, refusal: str = "") -> None: ...
    async def audit(self, *, verb: str, target: str, limit: int, after: str | None) -> AuditPage: ...


async def create(book: TokenBook, name: str, scope: TokenScope, reason: str, auditor: Auditor) -> str:
    """Create a token and audit it."""
    act = ControlAction(verb="create-token", target=f"token:{name}", detail=f"scope {scope.value}", reason=reason)
    return await _noted(partial(book.create, name, scope), book, act, auditor)


async def revoke(book: TokenBook, name: str, reason: str, auditor: Auditor) -> None:
    """Revoke a token and audit it."""
    await _noted(
        partial(book.revoke, name),
        book,
        ControlAction(verb="revoke-token", target=f"token:{name}", reason=reason),
        auditor,
    )


async def settle(book: TokenBook, auditor: Auditor) -> None:
    """Write the audit entries that are outstanding because a process died or the disk was full. They stay outstanding if the
    disk is still full.
    """
    async with book.changing:
        try:
            await _settle(book, auditor, None)
        except (UnavailableError, UnknownOutcomeError) as error:
            log.warning("changes of tokens could not be written to the audit log and are recorded later: %s", error)


async def _noted(change: Callable[..., T], book: TokenBook, act: ControlAction, auditor: Auditor) -> T:
    owed = OwedNote(
        request=f"token {secrets.token_hex(16)}",
        verb=act.verb,
        target=act.target,
        detail=act.detail,
        reason=act.reason,
        by=auditor.who.by,
        source=auditor.who.source,
    )
    async with book.changing:
        try:
            made = await trio.to_thread.run_sync(partial(change, owed=owed))
        except RefusedError as refusal:
            shown = attrs.evolve(act, target=act.target[:_SHOWN])
            await auditor.note(shown, refusal=f"{refusal.code}: {refusal}")
            raise
        await _settle(book, auditor, owed)
    return made


async def _settle(book: TokenBook, auditor: Auditor, fresh: OwedNote | None) -> None:
    for owed in book.owed():
        if owed == fresh or not await _is_told(owed, auditor):
            late = "" if owed == fresh else f"{', ' if owed.detail else ''}noted later"
            act = ControlAction(
                verb=owed.verb, target=owed.target, detail=owed.detail + late, reason=owed.reason, request=owed.request
            )
            await auditor.acting_as(owed.by, owed.source).note(act)
        await trio.to_thread.run_sync(book.settle, owed)


async def _is_told(owed: OwedNote, auditor: Auditor) -> bool:
    after: str | None = None
    while True:
        page = await auditor.audit(verb=owed.verb, target=owed.target, limit=_READ_TOGETHER, after=after)
        if any(entry.request == owed.request for entry in page.entries):
            return True
        if page.next is None:
            return False
        after = page.next


_SHOWN = 200
_READ_TOGETHER = 100


def _tokens_of(exchange: Exchange) -> Tokens:
    if exchange.tokens is None:
        raise ConflictError("this server has no data directory and therefore no tokens", code=ErrorCode.NOT_POSSIBLE)
    return exchange.tokens


ROUTES = (
    Route("GET", "/tokens", TokenScope.ADMIN, list_tokens),
    Route("POST", "/tokens", TokenScope.ADMIN, create_token, status=201),
    Route("PATCH", "/tokens/{name}/revoke", TokenScope.ADMIN, revoke_token),
)
