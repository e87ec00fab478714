"""Tags over HTTP: given with a call or a message, shown, and searched for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from actors import InvalidArgumentError, LimitExceededError, Service, handler
from actors.model.tags import MAX_TAG_VALUE, MAX_TAGS, TAG_PAIR, tags_of_pairs
from tests.http.served import serving
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {"session": "a=b & ü", "user": "ada"}


class Agent(Service):
    @handler
    async def run(self) -> str:
        return "done"


async def test_a_client_gives_tags_to_calls_and_messages_and_finds_them(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served, served.client() as client:
        run = client.service(Agent).run.options(tags=TAGS)
        await run()
        sent = await run.send()
        await sent.result()
        await client.call("Agent/run", tags={"user": "ben"})
        assert (await sent.info()).tags == TAGS
        assert [one.tags for one in await client.invocations(tags={"user": "ada"})] == [TAGS, TAGS]
        assert [one.tags for one in await client.invocations(tags={"user": "ben"})] == [{"user": "ben"}]


async def test_a_plain_request_names_each_tag_in_its_query(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served:
        called = await served.http.post("/Agent/run?tag=user=ada&tag=session=s1")
        assert called.status_code == 200
        listed = (await served.http.get("/invocations?tag=user%3Dada&tag=session=s1")).json()["invocations"]
        assert [one["tags"] for one in listed] == [{"session": "s1", "user": "ada"}]


@pytest.mark.parametrize(
    "query",
    [
        "tag=user",
        "tag=",
        "tag==ada",
        "tag=user=",
        f"tag=user={'x' * (MAX_TAG_VALUE + 1)}",
        "&".join(f"tag=a{number}=x" for number in range(MAX_TAGS + 1)),
    ],
)
async def test_a_tag_that_cannot_be_read_is_refused(tmp_path: Path, query: str) -> None:
    async with serving(tmp_path, Agent) as served:
        for method, path in (("POST", "/Agent/run"), ("POST", "/Agent/run/send"), ("GET", "/invocations")):
            response = await served.http.request(method, f"{path}?{query}")
            assert response.status_code in (400, 413), response.text


def test_the_schema_of_a_tag_matches_every_valid_one() -> None:
    pair = re.compile(TAG_PAIR)
    printable = [chr(number) for number in range(0x110000) if chr(number).isprintable()]
    assert all(pair.search(f"user={char}") for char in printable)
    assert pair.search("user=" + "\N{SNOWMAN}" * MAX_TAG_VALUE)
    for wrong in ("user", "user=", "=ada", "1=ada", "user=a\nb", "user=" + "a" * (MAX_TAG_VALUE + 1), "ü=ada"):
        assert not pair.search(wrong)
        with pytest.raises((InvalidArgumentError, LimitExceededError)):
            tags_of_pairs([wrong], "tag")


async def test_of_two_tags_with_a_name_the_later_one_counts(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served, served.client() as client:
        await served.http.post("/Agent/run?tag=user=ada&tag=user=ben")
        assert [one.tags for one in await client.invocations()] == [{"user": "ben"}]


async def test_wrong_tags_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served, served.client() as client:
        with raises(InvalidArgumentError, path="tags"):
            await client.send("Agent/run", tags={"a b": "c"})
        assert await client.invocations() == []
