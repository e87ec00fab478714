"""Whose results a token may read, and which requests under one idempotency key are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors import Actor, Service, Workflow, handler, workflow_id
from actors.http.routes import TokenScope
from actors.model.request_ids import requested_id
from journal.events import Target
from journal.kv.store import Durability
from journal.log.open import open_journal
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2


class Bank(Service):
    @handler
    async def flow(self, order: str, amount: float = 1.0) -> str:
        return f"{order}: {amount}"

    @handler
    async def anything(self, x: object) -> str:
        return "taken"


class Claim(Workflow):
    @handler
    async def run(self) -> str:
        return "paid"


class Account(Actor):
    @handler
    async def pay(self, lines: dict[str, int]) -> int:
        return sum(lines.values())


class Asker:
    """Requests with one token."""

    def __init__(self, served: Served, name: str, scope: TokenScope) -> None:
        self._served = served
        self._headers = {"authorization": f"Bearer {served.tokens.create(name, scope)}"}

    async def post(self, path: str, json: Any, key: str | None = None) -> httpx2.Response:
        headers = self._headers | ({} if key is None else {"idempotency-key": key})
        return await self._served.bare("POST", path, json=json, headers=headers)

    async def get(self, path: str) -> httpx2.Response:
        return await self._served.bare("GET", path, headers=self._headers)


async def test_the_id_of_a_request_cannot_be_worked_out_without_the_store(tmp_path: Path) -> None:
    async with serving(tmp_path, Bank) as served:
        shop = Asker(served, "shop", TokenScope.INVOKE)
        of = (await shop.post("/Bank/flow/send", "order-1", key="k")).json()["invocationId"]
        target = Target("Bank", None, "flow")
        secret = served.runtime.engine.journal.secret
        assert of == requested_id(target, "token:shop:k", secret)
        assert of != requested_id(target, "token:shop:k")
        assert (await shop.post("/Bank/flow/send", "order-1", key="k")).json()["invocationId"] == of


async def test_a_store_keeps_its_secret_and_no_two_have_the_same(tmp_path: Path) -> None:
    secrets = []
    for name in ("a", "a", "b"):
        async with open_journal(tmp_path / name, durability=Durability.OS) as journal:
            secrets.append(journal.secret)
    assert secrets[0] == secrets[1] != secrets[2]
    assert len(secrets[0]) == 64


async def test_a_token_that_may_only_call_reads_what_it_has_started(tmp_path: Path) -> None:
    async with serving(tmp_path, Bank, Claim) as served:
        shop, guest, auditor = (
            Asker(served, name, scope)
            for name, scope in (("shop", TokenScope.INVOKE), ("guest", TokenScope.INVOKE), ("auditor", TokenScope.READ))
        )
        sent = (await shop.post("/Bank/flow/send", "order-1", key="k")).json()["invocationId"]
        await shop.post("/Claim/7/run", None)
        run = workflow_id(Claim, "7")
        paths = [f"/restate/{verb}/{of}" for verb in ("attach", "output") for of in (sent, run)]
        paths += [f"/restate/invocation/{of}/{verb}" for verb in ("attach", "output") for of in (sent, run)]
        paths += [f"/restate/workflow/Claim/7/{verb}" for verb in ("attach", "output")]
        for path in paths:
            assert (await shop.get(path)).status_code == 200, path
            assert (await auditor.get(path)).status_code == 200, path
            assert (await guest.get(path)).status_code == 404, path
        for body in (
            {"target": "invocation", "invocationId": sent},
            {"target": "workflow", "workflowName": "Claim", "workflowKey": "7"},
        ):
            for verb in ("attach", "output"):
                assert (await shop.post(f"/restate/{verb}", body)).status_code == 200, body
                assert (await guest.post(f"/restate/{verb}", body)).status_code == 404, body


async def test_a_hidden_workflow_is_answered_like_one_that_does_not_exist(tmp_path: Path) -> None:
    async with serving(tmp_path, Claim) as served:
        guest = Asker(served, "guest", TokenScope.INVOKE)
        run = await served.runtime.client.workflow(Claim, "7").run.send()
        await run.result()
        await run.restart()
        texts: list[list[str]] = []
        for key in ("7", "8"):
            body = {"target": "workflow", "workflowName": "Claim", "workflowKey": key}
            found = [await guest.post(f"/restate/{verb}", body) for verb in ("lookup", "attach", "output")]
            found += [await guest.get(f"/restate/workflow/Claim/{key}/{verb}") for verb in ("attach", "output")]
            found += [await guest.get(f"/restate/output/{workflow_id(Claim, key)}")]
            assert [answer.status_code for answer in found] == [404] * len(found)
            texts.append([answer.text.replace(workflow_id(Claim, key), "ID") for answer in found])
        assert texts[0] == texts[1]


async def test_requesters_of_different_kinds_share_no_idempotency_key(tmp_path: Path) -> None:
    async with serving(tmp_path, Bank) as served:
        own = served.runtime.client.service(Bank).flow
        shop, hook, admin = (
            Asker(served, name, scope)
            for name, scope in (
                ("shop", TokenScope.INVOKE),
                ("webhook", TokenScope.INVOKE),
                ("boss", TokenScope.ADMIN),
            )
        )
        ids: dict[str, str] = {}
        for asker, name, keys in (
            (shop, "shop", ["k"]),
            (hook, "hook", ["k"]),
            (admin, "admin", ["k", "shop:k", "token:shop:k", "own:token:shop:k", "webhook:k", "token:webhook:k"]),
        ):
            for key in keys:
                sent = await asker.post("/Bank/flow/send", "order-1", key=key)
                ids[f"{name} {key}"] = sent.json()["invocationId"]
        target = Target("Bank", None, "flow")
        acting = served.runtime.client.acting_as("webhook:x", "", idempotency_namespace="webhook")
        ids["webhook k"] = acting.id_of_request(target, "k")
        assert len({*ids.values()}) == len(ids)
        assert (await own.options(idempotency_key="token:shop:k").send("order-1")).id == ids["admin token:shop:k"]


@pytest.mark.parametrize(
    ("path", "spellings", "other"),
    [
        (
            "/Bank/flow",
            ['{"order":"a","amount":5.0}', '{ "amount" : 5, "order" : "\\u0061" }', '{"order":"a","amount":0.5e1}'],
            '{"order":"a","amount":6}',
        ),
        ("/Bank/anything", ['{"a":1,"b":[1.50,"x"]}', '{"b":[1.5, "\\u0078"],"a":1}'], '{"a":1,"b":[1.25,"x"]}'),
        ("/Bank/flow", ['"a"', '{"order":"a"}'], '"b"'),
        ("/Account/k/pay", ['{"x":1,"y":2}', '{\n"x": 1,\n"y": 2}'], '{"x":1,"y":3}'),
    ],
)
async def test_the_same_json_in_another_spelling_is_the_same_request(
    path: str, spellings: list[str], other: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, Bank, Account) as served:
        headers = {"idempotency-key": "k", "content-type": "application/json"}
        answers = [await served.http.post(path, content=text, headers=headers) for text in spellings]
        assert [(answer.status_code, answer.text) for answer in answers] == [(200, answers[0].text)] * len(spellings)
        assert len({answer.headers["x-playhead-invocation-id"] for answer in answers}) == 1
        assert (await served.http.post(path, content=other, headers=headers)).status_code == 409
