"""What a path means: a key that was left out is never another segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Actor, Service, handler
from journal.events import Target
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Account(Actor):
    @handler
    async def read(self) -> str:
        return "read"


class Post(Actor):
    letters: int = 0

    @handler
    async def read(self) -> str:
        return "read"

    @handler
    async def send(self) -> int:
        self.letters += 1
        return self.letters


class Desk(Service):
    @handler
    async def send(self) -> str:
        return "sent"

    @handler
    async def ask(self) -> str:
        return "asked"


@pytest.mark.parametrize("path", ["/Account/read", "/Account/read/send", "/restate/send/Account/read"])
async def test_a_path_without_a_key_is_told_the_shape(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, Account) as served:
        told = await served.http.post(path)
        assert (told.status_code, told.json()["error"]) == (404, "actors.errors.NotFoundError")
        assert "Account/{key}/{handler}" in told.json()["detail"]


@pytest.mark.parametrize("target", [Target("Post", None, "read"), Target("Desk", "ask", "send")])
async def test_a_client_that_errs_with_the_key_calls_nothing(tmp_path: Path, target: Target) -> None:
    async with serving(tmp_path, Post, Desk) as served, served.client() as remote:
        for client in (served.runtime.client, remote):
            with pytest.raises(actors.RefusedError):
                await client.send_by_name(target)
            with pytest.raises(actors.RefusedError):
                await client.call_by_name(target)
        assert await remote.invocations() == []


async def test_a_handler_may_be_called_send(tmp_path: Path) -> None:
    async with serving(tmp_path, Post, Desk) as served, served.client() as remote:
        assert await remote.actor(Post, "read").send() == 1
        assert await remote.service(Desk).send() == "sent"
        assert (await served.http.post("/Post/read/send")).json() == 2
        assert (await served.http.post("/Post/read/send/send")).status_code == 202
