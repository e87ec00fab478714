"""What comes in over HTTP: texts that are UTF-8 and come in as they are, numbers that are numbers; anything else is a 400."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Actor, handler
from actors.model.requests import CallOptions
from journal.events import Target
from tests.http.served import Served, serving
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path


class Wallet(Actor):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler
    async def ask(self) -> str:
        return await actors.signal("é", str)


async def refused(served: Served, method: str, path: str, **kwargs: object) -> bool:
    """Whether it is a bad request, and nothing has happened to anybody."""
    response = await served.http.request(method, path, **kwargs)  # type: ignore[arg-type]
    alive = await served.http.post("/Wallet/bystander/add", json=0)
    return response.status_code == 400 and alive.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/invocations?key=%FF", "/invocations?%FF=1", "/objects?begin=caf%E9", "/audit?by=%ED%A0%80", "/Wallet/%FF/add"],
)
async def test_a_text_in_an_address_that_is_not_utf8_is_refused_and_not_bent(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, Wallet) as served:
        assert await refused(served, "POST" if path.endswith("add") else "GET", path)


@pytest.mark.parametrize("wait", ["nan", "inf", "-inf", "-1", "1e400"])
async def test_a_wait_that_is_no_duration_is_refused(tmp_path: Path, wait: str) -> None:
    async with serving(tmp_path, Wallet) as served:
        assert await refused(served, "GET", f"/changes?after=1&wait={wait}")


@pytest.mark.parametrize("delay", ["nan", "inf", "-1s", "1e9s", ""])
async def test_a_delay_that_is_no_duration_is_refused(tmp_path: Path, delay: str) -> None:
    async with serving(tmp_path, Wallet) as served:
        assert await refused(served, "POST", f"/Wallet/a/add/send?delay={delay}", json=1)


@pytest.mark.parametrize("body", [b"NaN", b"1e400", b"9" * 4_301, b'"\\ud800"', b'"\xff"'])
async def test_a_value_that_no_json_has_is_refused(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path, Wallet) as served:
        headers = {"content-type": "application/json"}
        assert await refused(served, "POST", "/Wallet/a/add", content=body, headers=headers)


@pytest.mark.parametrize("kill_after", ["1e400", "-1", "NaN", "true", "1e11"])
async def test_a_patience_that_is_no_duration_is_refused(tmp_path: Path, kill_after: str) -> None:
    async with serving(tmp_path, Wallet) as served:
        of = (await served.http.post("/Wallet/a/ask/send")).json()["invocationId"]
        body = f'{{"kill_after": {kill_after}}}'.encode()
        headers = {"content-type": "application/json"}
        assert await refused(served, "PATCH", f"/invocations/{of}/cancel", content=body, headers=headers)


async def test_the_largest_int_comes_back_equal_and_one_that_grows_beyond_it_fails_alone(tmp_path: Path) -> None:
    largest = "9" * 4_300
    async with serving(tmp_path, Wallet) as served:
        headers = {"content-type": "application/json"}
        for status in (200, 500):
            response = await served.http.post("/Wallet/a/add", content=largest, headers=headers)
            assert response.status_code == status
        assert (await served.http.get("/objects/Wallet/a")).json()["fields"] == {"total": int(largest)}
        assert (await served.http.post("/Wallet/bystander/add", json=1)).json() == 1


async def test_an_idempotency_key_is_the_same_key_here_and_far_away(tmp_path: Path) -> None:
    async with serving(tmp_path, Wallet) as served, served.client() as client:
        for number in range(2):
            await client.actor(Wallet, "a").add.options(idempotency_key="ключ").send(1)
            near = served.runtime.client.actor(Wallet, "a").add.options(idempotency_key="ключ")
            assert await near(1) == 1, f"asked again, {number}"
        raw = {"idempotency-key": "ключ".encode(), "content-type": "application/json"}
        assert (await served.http.post("/Wallet/a/add", content=b"1", headers=raw)).json() == 1


async def test_an_idempotency_key_that_no_header_carries_is_refused_by_the_client(tmp_path: Path) -> None:
    async with serving(tmp_path, Wallet) as served, served.client() as client:
        for key in (" a", "a ", "a\nb", "a\x00"):
            with raises(actors.InvalidArgumentError, path="idempotency_key"):
                await client.call_by_name(Target("Wallet", "a", "add"), b"1", CallOptions(idempotency_key=key))


async def test_an_idempotency_key_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, Wallet) as served:
        headers = {"idempotency-key": b"caf\xe9", "content-type": "application/json"}
        assert await refused(served, "POST", "/Wallet/a/add", content=b"1", headers=headers)


async def test_names_and_reasons_come_in_as_they_are(tmp_path: Path) -> None:
    async with serving(tmp_path, Wallet) as served, served.client() as client:
        asking = await client.actor(Wallet, "é/ñ ?").ask.send()
        await asking.signal("é", "größer")
        assert await asking.result() == "größer"
        await client.gates.close("key:Wallet/é", reason="größer")
        assert [(gate.scope, gate.reason) for gate in await client.gates.list()] == [("key:Wallet/é", "größer")]
        assert [info.target.key for info in await client.invocations(key="é/ñ ?")] == ["é/ñ ?"]


async def test_a_parameter_of_a_query_that_is_no_number_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, Wallet) as served, served.client() as client:
        for value in (float("nan"), float("inf"), 2**64, "caf\udce9"):
            for asked in (client, served.runtime.client):
                with pytest.raises((actors.InvalidArgumentError, actors.InvalidArgumentError)):
                    await asked.query("select ?", [value])


@pytest.mark.parametrize(
    ("path", "body", "where", "said"),
    [
        ("/invocations?limit=0", None, "$.limit", ("'0'", "from 1 to 1,000")),
        ("/invocations?limit=abc", None, "$.limit", ("'abc'", "a whole number")),
        ("/invocations?status=bad", None, "$.status[0]", ("'bad'", "'paused'")),
        ("/invocations?system=x", None, "$.system", ("'x'", "true or false")),
        ("/jobs", {"verb": "stop", "where": "1"}, "$.verb", ("'stop'", "'cancel'")),
        ("/jobs", {"where": "1"}, "$", ("'verb'", "'cancel'")),
        ("/jobs", {"verb": "kill", "where": "1", "rate": 0}, "$.rate", ("is 0", "above 0")),
        ("/jobs", [], "$", ("[]", "an object")),
        ("/restate/lookup", {"target": "x"}, "$.target", ("'x'", "'workflow'")),
    ],
)
async def test_a_refusal_says_what_was_found_and_what_is_valid(
    tmp_path: Path, path: str, body: object, where: str, said: tuple[str, ...]
) -> None:
    async with serving(tmp_path, Wallet) as served:
        response = await served.http.request("GET" if body is None else "POST", path, json=body)
        problem = response.json()
        assert (response.status_code, problem["path"]) == (400, where)
        assert all(words in problem["detail"] for words in said), problem["detail"]


async def test_half_of_a_surrogate_pair_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, Wallet) as served:
        response = await served.http.post(
            "/Wallet/a/add", content=rb'{"amount": "\ud800"}', headers={"content-type": "application/json"}
        )
        assert (response.status_code, "surrogate" in response.json()["detail"]) == (400, True)
