"""Streams of output over HTTP, by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import actors
from actors import Service, handler
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Searcher(Service):
    @handler
    async def run(self) -> None:
        actors.emit("token")
        actors.emit("a source", stream="sources")


async def test_a_stream_of_output_is_read_by_its_name(tmp_path: Path) -> None:
    async with serving(tmp_path, Searcher) as served, served.client() as client:
        handle = await client.service(Searcher).run.send()
        assert [value async for value in handle.output(stream="sources")] == ["a source"]
        assert [value async for value in handle.output()] == ["token"]
        path = f"/invocations/{handle.id}/output"
        streamed = await served.http.get(f"{path}?stream=sources", headers={"accept": "text/event-stream"})
        assert ("a source" in streamed.text, "token" in streamed.text) == (True, False)
        for query, found in (
            ("", ["token"]),
            ("?stream=sources&view=live", ["a source"]),
            ("?view=all", ["token", "a source"]),
        ):
            page = (await served.http.get(path + query, headers={"accept": "application/json"})).json()
            assert [chunk["value"] for chunk in page["chunks"] if chunk["kind"] == "chunk"] == found
