"""Notifications over HTTP: what each kind of change does is tested in ``engine``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from actors import InvalidArgumentError, Service, handler
from actors.errors import AccessDeniedError
from actors.http.routes import TokenScope
from tests.http.served import serving
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path


class Report(Service):
    @handler
    async def run(self, region: str) -> str:
        return region


async def test_a_notice_reaches_an_address_outside(tmp_path: Path) -> None:
    requests: list[bytes] = []

    async def take(stream: trio.SocketStream) -> None:
        got = b""
        while b"}}}" not in got:
            got += await stream.receive_some(65_536)
        requests.append(got)
        await stream.send_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

    async with trio.open_nursery() as nursery, serving(tmp_path, Report) as served, served.client() as remote:
        [listener, *_] = await nursery.start(partial(trio.serve_tcp, take, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/in"
        pager = await remote.notifications.create("night / 1", url, on="ended", tags={"team": "red"}, note="for ops")
        assert pager.secret.startswith("whsec_")
        here = served.runtime.client.notifications
        assert await remote.notifications.list() == await here.list()
        assert (await pager.test()).error == ""
        report = await remote.service(Report).run.options(tags={"team": "red"}).send("eu")
        with trio.fail_after(30):
            while (await pager.info()).delivered == 0:
                await remote.changes((await remote.changes()).position, wait=0.05)
        assert report.id.encode() in requests[1]
        assert b"webhook-signature: v1," in requests[1].lower()
        assert (await pager.rotate()).secret not in ("", pager.secret)
        assert (await pager.update(url="http://127.0.0.1:1/")).changed
        assert "ConnectError" in (await pager.test()).error
        assert (await pager.delete(reason="done")).changed
        assert await remote.notifications.list() == ()
        with raises(InvalidArgumentError, path="on"):
            await remote.notifications.create("x", url, on="explodes")
        answer = await served.http.post("/notifications", json={"name": "y", "url": url, "on": ["explodes"]})
        assert answer.status_code == 400
        nursery.cancel_scope.cancel()


async def test_only_an_administrator_names_addresses(tmp_path: Path) -> None:
    async with serving(tmp_path, Report) as served, served.client() as remote:
        await remote.notifications.create("pager", "http://127.0.0.1:1/", on="failed")
        token = served.tokens.create("some", TokenScope.CONTROL)
        async with served.client(token) as other:
            assert (await other.notifications.notification("pager").info()).name == "pager"
            for attempt in (
                other.notifications.create("x", "http://127.0.0.1:1/", on="failed"),
                other.notifications.notification("pager").test(),
                other.notifications.notification("pager").rotate(),
                other.notifications.notification("pager").update(note="x"),
                other.notifications.notification("pager").delete(),
            ):
                with pytest.raises(AccessDeniedError):
                    await attempt
