"""Clients that were made for Restate work unchanged: the real one from npm, and the plain forms of its paths."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Service, Status, Workflow, handler, shared, step
from tests.http.served import Served, serving
from tests.lab import WORLD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PACKAGE = "@restatedev/restate-sdk-clients@1.17.2"
GONE = "inv_1" + "0" * 33


class NotEnough(actors.TerminalError):
    http_status = 422


@step
async def effect(text: str) -> str:
    WORLD.note(f"effect {text}")
    return text


class Account(Actor):
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise NotEnough(f"balance is {self.balance}")
        return self.balance

    @shared
    async def read(self) -> int:
        return self.balance


class Task(Service):
    @handler
    async def echo(self, text: str) -> str:
        return text

    @handler
    async def twice(self, text: str) -> str:
        return f"{await effect(text)} {await effect(text)}"

    @handler
    async def wait(self) -> str:
        return str(await actors.signal("go"))


class Once(Workflow):
    released: actors.InvocationId | None = None

    @handler
    async def run(self, number: int) -> int:
        await actors.signal("released")
        return number

    @shared
    async def release(self) -> None:
        await actors.invocation(actors.workflow_id(Once, self.key)).signal("released")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client of this version; skips, saying why, where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("NOT TESTED AGAINST THE REAL CLIENT: there is no node here")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"type": "module"}')
    installed = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if installed.returncode != 0:
        pytest.skip(f"NOT TESTED AGAINST THE REAL CLIENT: {PACKAGE} cannot be installed: {installed.stderr[-300:]}")
    shutil.copy(Path(__file__).with_name("restate_client.mjs"), folder)
    return folder


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, Account, Task, Once) as server:
        yield server


async def test_the_npm_client_works_unchanged(node_modules: Path, served: Served) -> None:
    with trio.fail_after(60):
        ran = await trio.run_process(
            ["node", "restate_client.mjs", served.url, served.token],
            cwd=node_modules,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=os.environ | {"NO_COLOR": "1"},
        )
    assert ran.returncode == 0, ran.stderr.decode()
    said: dict[str, Any] = json.loads(ran.stdout)
    delayed = await served.runtime.client.invocation(said.pop("delayed")).info()
    assert delayed.status is Status.SCHEDULED
    assert delayed.scheduled_for is not None
    assert delayed.scheduled_for - delayed.created_at == pytest.approx(3600, abs=30)
    assert said == {
        "called": 5,
        "again": 10,
        "repeated": 10,
        "read": 10,
        "generic": 1,
        "sent": ["Accepted", True, 38],
        "result": "hello",
        "sentAgain": "PreviouslyAccepted",
        "submitted": "Accepted",
        "notReady": False,
        "attached": 7,
        "output": 7,
        "submittedAgain": "PreviouslyAccepted",
        "terminal": ["HttpCallError", 422, "NotEnough"],
        "unknown": ["HttpCallError", 404, "NotFoundError"],
        "refused": ["HttpCallError", 400, "InvalidArgumentError"],
        "conflict": ["HttpCallError", 409, "ConflictError"],
    }


async def test_calls_and_sends_under_restate_do_the_same(served: Served) -> None:
    post = served.http.post
    assert (await post("/restate/call/Account/a/deposit", json=2)).json() == 2
    sent = await post("/restate/send/Account/a/deposit", json=2)
    assert (sent.status_code, sent.json()["status"]) == (202, "Accepted")
    of = sent.json()["invocationId"]
    assert (await served.http.get(f"/restate/attach/{of}")).json() == 4
    assert (await served.http.get(f"/restate/invocation/{of}/attach")).json() == 4
    answered = await served.http.get(f"/restate/output/{of}")
    assert (answered.json(), answered.headers["x-restate-id"]) == (4, of)
    assert (await post("/restate/call/Account/send/deposit", json=3)).json() == 3, "a key may be 'send'"


async def test_a_number_alone_is_milliseconds_as_the_python_client_sends_them(served: Served) -> None:
    for text, seconds in (("10000", 10), ("10s", 10), ("PT10S", 10)):
        sent = await served.http.post(f"/Task/wait/send?delay={text}")
        info = await served.runtime.client.invocation(sent.json()["invocationId"]).info()
        assert info.scheduled_for is not None
        assert info.scheduled_for - info.created_at == pytest.approx(seconds, abs=5)
    assert (await served.http.post("/Task/wait/send?delay=soon")).status_code == 400
    assert (await served.http.post("/Task/echo?delay=1s", json="x")).status_code == 400


async def test_what_has_not_ended_is_470_and_what_never_was_404(served: Served) -> None:
    sent = (await served.http.post("/Task/wait/send")).json()["invocationId"]
    assert (await served.http.get(f"/restate/invocation/{sent}/output")).status_code == 470
    for path in (f"/restate/invocation/{GONE}/output", f"/restate/invocation/{GONE}/attach"):
        assert (await served.http.get(path)).status_code == 404
    assert (await served.http.get("/restate/invocation/nonsense/output")).status_code == 400
    await served.runtime.client.invocation(sent).cancel(reason="enough")
    answered = await served.http.get(f"/restate/invocation/{sent}/output")
    assert (answered.status_code, answered.json()["outcome"]) == (409, "cancelled")


async def test_an_invocation_is_found_by_what_was_called(served: Served) -> None:
    headers = {"idempotency-key": "k"}
    called = await served.http.post("/Account/a/deposit", json=2, headers=headers)
    wanted = {
        "target": "idempotentInvocation",
        "service": "Account",
        "key": "a",
        "handler": "deposit",
        "idempotencyKey": "k",
    }
    for path in ("/restate/attach", "/restate/output"):
        assert (await served.http.post(path, json=wanted)).json() == 2
    found = await served.http.post("/restate/lookup", json=wanted)
    assert found.json() == {"invocationId": called.headers["x-restate-id"]}
    by_id = {"target": "invocation", "invocationId": called.headers["x-restate-id"]}
    assert (await served.http.post("/restate/output", json=by_id)).json() == 2
    missing = wanted | {"idempotencyKey": "other"}
    assert (await served.http.post("/restate/lookup", json=missing)).status_code == 404
    workflow = {"target": "workflow", "workflowName": "Once", "workflowKey": "never"}
    assert (await served.http.post("/restate/lookup", json=workflow)).status_code == 404
    assert (await served.http.post("/restate/lookup", json={"target": "surprise"})).status_code == 400


async def test_restarting_answers_as_clients_of_restate_expect(served: Served) -> None:
    called = (await served.http.post("/Task/echo", json="x")).headers["x-restate-id"]
    answered = await served.http.patch(f"/invocations/{called}/restart-as-new")
    assert answered.status_code == 200
    again = answered.json()["new_invocation_id"]
    assert (await served.http.get(f"/restate/attach/{again}")).json() == "x"
    second = await served.http.patch(f"/invocations/{called}/restart-as-new")
    assert (second.status_code, second.json()["code"]) == (409, "already_restarted")
    again = await served.http.patch(f"/invocations/{called}/restart-as-new?from=nowhere&again=true")
    assert again.status_code == 404


async def test_a_restart_keeps_the_prefix_of_the_journal_that_clients_of_restate_name(served: Served) -> None:
    called = (await served.http.post("/Task/twice", json="x")).headers["x-restate-id"]
    path = f"/invocations/{called}/restart-as-new"
    kept = []
    for entry in range(5):
        planned = await served.http.patch(f"{path}?from={entry}", json={"dry_run": True})
        kept.append(len(planned.json()["successor"]["kept"]))
    assert kept == [0, 1, 1, 2, 2]
    assert (await served.http.patch(f"{path}?from=9999")).status_code == 404
    begun = WORLD.count("effect x")
    for whole in ("4", "end"):
        again = (await served.http.patch(f"{path}?from={whole}&again=true")).json()["new_invocation_id"]
        assert (await served.http.get(f"/restate/attach/{again}")).json() == "x x"
    assert WORLD.count("effect x") == begun
