"""The named tokens of a cluster: made and revoked on any node, and accepted or refused on all."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Actor, handler
from actors.errors import ErrorCode, ResourceKind, UnavailableError
from actors.http.own_token import OWN_GRANT, Grant, make_token
from actors.http.routes import TokenScope
from actors.http.server.shared_tokens import SharedTokens, create_shared
from actors.system.registry import registry_stream
from journal.replicated.membership import DEAD_SECONDS
from tests.cluster import Cluster, Peer
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = on_virtual_time


class Tally(Actor):
    @handler
    async def touch(self) -> None:
        pass


@asynccontextmanager
async def nodes(folder: Path, count: int) -> AsyncIterator[list[tuple[Peer, SharedTokens]]]:
    """Nodes of a cluster, each with the tokens that its server accepts."""
    make_token(folder)
    async with Cluster(Tally, over_http=True).running(count) as peers:
        yield [(peer, SharedTokens(folder, peer.client)) for peer in peers]


async def test_a_token_is_valid_on_every_node_until_it_is_revoked_on_any(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as [(one, first), (two, second)]:
        for maker, revoker in ((one, two), (two, one)):
            ada = maker.client.acting_as("token:ada", "10.0.0.1:1")
            secret = await create_shared(ada, "ops", TokenScope.READ, "for the graphs")
            assert first.grant_of(secret) == second.grant_of(secret) == Grant("ops", TokenScope.READ)
            assert [(each.name, each.scope) for each in second.named()] == [("ops", TokenScope.READ)]
            await revoker.client.revoke_token("ops", "it leaked")
            assert first.grant_of(secret) is second.grant_of(secret) is None
            assert first.named() == second.named() == []
            rows = one.engine.journal.scan(b"", b"\xff" * 8, limit=100_000)
            assert not any(secret.encode() in key + value for key, value in rows), "its hash is all that is kept"
        noted = [(e.by, e.verb, e.target, e.detail, e.reason) for e in (await one.client.audit()).entries][::-1]
        assert noted[:2] == [
            ("token:ada", "create-token", "token:ops", "scope read", "for the graphs"),
            (one.client.who.by, "revoke-token", "token:ops", "", "it leaked"),
        ]


async def test_names_that_are_taken_missing_or_malformed_are_refused_on_each_node(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as [(one, _), (two, second)]:
        await create_shared(one.client, "ops", TokenScope.READ, "")
        for asked in (one, two):
            for taken in ("ops", "main"):
                with raises(actors.ConflictError, code=ErrorCode.ALREADY_EXISTS):
                    await create_shared(asked.client, taken, TokenScope.ADMIN, "")
            with pytest.raises(actors.InvalidArgumentError):
                await create_shared(asked.client, "No Name", TokenScope.ADMIN, "")
            with raises(actors.NotFoundError, kind=ResourceKind.TOKEN):
                await asked.client.revoke_token("none", "")
        assert [each.scope for each in second.named()] == [TokenScope.READ]


async def test_a_revocation_names_a_node_that_does_not_obey(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path, 3) as peers:
        secret = await create_shared(peers[0][0].client, "ops", TokenScope.READ, "")
        partition = registry_stream() % peers[0][0].node.partitions
        owner = next(peer for peer, _ in peers if partition in peer.owned())
        (late, its) = next((peer, tokens) for peer, tokens in peers if peer is not owner)
        late.is_behind = True
        with pytest.raises(actors.TooSlowError) as raised:
            await owner.client.revoke_token("ops", "it leaked")
        assert raised.value.details == {"nodes": [late.name]}
        with pytest.raises(UnavailableError):
            its.grant_of(secret)
        assert its.grant_of((tmp_path / "token").read_text().strip()) == OWN_GRANT
        assert all(tokens.grant_of(secret) is None for peer, tokens in peers if peer is not late)
        late.is_behind = False
        await trio.sleep(1)
        assert its.grant_of(secret) is None


async def test_a_node_that_is_cut_off_accepts_no_token_that_was_revoked_meanwhile(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as [(one, first), (two, second)]:
        secret = await create_shared(one.client, "ops", TokenScope.READ, "")
        kept = await create_shared(one.client, "kept", TokenScope.READ, "")
        two.is_cut_off = True
        await one.client.revoke_token("ops", "it leaked")
        assert first.grant_of(secret) is None
        for each in (secret, kept, "unknown"):
            with pytest.raises(UnavailableError):
                second.grant_of(each)
        assert second.grant_of("") is None
        two.is_cut_off = False
        await trio.sleep(DEAD_SECONDS)
        assert second.grant_of(secret) is None
        assert second.grant_of(kept) == Grant("kept", TokenScope.READ)
