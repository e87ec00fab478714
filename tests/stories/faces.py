"""What a person can do with a runtime, once for each way of doing it: the stories are told to all of them in the same words.

A face speaks to an app that was copied into a folder. What its steps print goes into the ledger, a file outside of the process
that says what has really run. Values are as JSON has them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import httpx2
import msgspec
import trio

import actors
from actors.http.address import read_address
from cli.apps import load_app
from cli.targets import parse_target
from tests.children import python_path
from tests.http.served import without_tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
STORIES = ROOT / "examples" / "remote_control"
PATIENCE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.03
COUNT = "select count(*) as count from sys_invocation where "


@attrs.frozen(kw_only=True)
class Bulk:
    """What came of a job."""

    changed: int
    refused: int


class Face(Protocol):
    """A way to a runtime. ``where`` is a condition in SQL; targets are written as the command line has them."""

    async def call(self, target: str, argument: Any = None) -> Any: ...
    async def send(self, target: str, argument: Any = None) -> str: ...
    async def info(self, of: str) -> dict[str, Any]: ...
    async def find(self, where: str) -> list[str]: ...
    async def count(self, where: str) -> int: ...
    async def preview(self, verb: str, where: str) -> int: ...
    async def bulk(self, verb: str, where: str, **options: Any) -> Bulk: ...
    async def signal(self, of: str, name: str, value: Any) -> None: ...
    async def plan(self, of: str, step: str, deployment: str) -> tuple[list[str], list[str]]: ...
    async def restart(self, of: str, step: str, *, deployment: str, reason: str) -> str: ...
    async def close_gate(self, scope: str, reason: str) -> None: ...
    async def open_gate(self, scope: str, reason: str) -> None: ...
    async def check(self, where: str) -> dict[str, int]: ...
    async def audit(self, verb: str) -> list[tuple[str, str]]: ...


@attrs.frozen(kw_only=True)
class Stage:
    """A runtime under one face: the face, the app, the ledger, and how the app's code on disk comes to be what runs.

    ``others`` is whoever else uses it meanwhile: hundreds of messages do not come from the command line.
    """

    face: Face
    others: actors.Client
    app: Path
    ledger: Path
    deploy: Callable[[], Awaitable[None]]

    def ran(self) -> list[str]:
        """What has really run, in order."""
        return self.ledger.read_text().splitlines()

    def counts(self) -> dict[str, int]:
        """How often each step has really run."""
        return Counter(line.partition(":")[0] for line in self.ran())

    async def mend(self, fix: tuple[str, str]) -> None:
        """Change the app's code on disk, and deploy it."""
        source = self.app.read_text()
        self.app.write_text(source.replace(*fix, 1))
        await self.deploy()

    async def comes_to(self, of: str, status: str) -> None:
        """Wait until an invocation has a status, or has ended so."""

        async def has_come() -> bool:
            info = await self.others.invocation(of).info()
            return status in (info.status.value, info.outcome and info.outcome.kind.value)

        await until(has_come)

    async def waits_for(self, of: str, name: str) -> None:
        """Wait until an invocation waits for something."""

        async def does() -> bool:
            return any(wait.name == name for wait in (await self.others.invocation(of).info()).waits)

        await until(does)

    async def there_are(self, count: int, where: str) -> None:
        """Wait until a condition fits so many invocations."""

        async def are() -> bool:
            return (await self.others.jobs.where(where).preview(sample=0)).count == count

        await until(are)


async def until(condition: Callable[[], Any]) -> None:
    """Look until it is so: what is looked at is another process."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not await condition():
            await trio.sleep(_LOOK_AGAIN_SECONDS)


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def _names(steps: Any) -> list[str]:
    return [step["name"] for step in steps]


# Python, in the process and over a connection.


@attrs.frozen
class Python:
    """The client."""

    client: actors.Client

    async def call(self, target: str, argument: Any = None) -> Any:
        _, outcome = await self.client.call_by_name(parse_target(target), _body(argument))
        assert outcome.failure is None, outcome
        return outcome.value

    async def send(self, target: str, argument: Any = None) -> str:
        return (await self.client.send_by_name(parse_target(target), _body(argument))).invocation_id

    async def info(self, of: str) -> dict[str, Any]:
        found: dict[str, Any] = _plain(await self.client.invocation(of).info())
        return found

    async def find(self, where: str) -> list[str]:
        return [info.id for info in await self.client.invocations(where=where, limit=1000)]

    async def count(self, where: str) -> int:
        found = await self.client.query(COUNT + where)
        return int(str(found.rows[0][0]))

    async def preview(self, verb: str, where: str) -> int:
        return (await self.client.jobs.where(where).preview()).count

    async def bulk(self, verb: str, where: str, **options: Any) -> Bulk:
        job = await getattr(self.client.jobs.where(where), verb)(**options)
        info = await job.result()
        assert info.done == info.total
        return Bulk(changed=info.changed, refused=sum(info.refused.values()))

    async def signal(self, of: str, name: str, value: Any) -> None:
        await self.client.invocation(of).signal(name, value)

    async def plan(self, of: str, step: str, deployment: str) -> tuple[list[str], list[str]]:
        answer = await self.client.invocation(of).restart(step, deployment=deployment, dry_run=True)
        assert answer.successor is not None
        return [kept.name for kept in answer.successor.kept], [again.name for again in answer.successor.again]

    async def restart(self, of: str, step: str, *, deployment: str, reason: str) -> str:
        answer = await self.client.invocation(of).restart(step, deployment=deployment, reason=reason)
        assert answer.successor is not None
        return answer.successor.invocation_id

    async def close_gate(self, scope: str, reason: str) -> None:
        assert (await self.client.gates.close(scope, reason=reason)).changed

    async def open_gate(self, scope: str, reason: str) -> None:
        assert (await self.client.gates.open(scope, reason=reason)).changed

    async def check(self, where: str) -> dict[str, int]:
        summary = await self.client.check(where=where)
        return {cohort.verdict.value: cohort.count for cohort in summary.cohorts}

    async def audit(self, verb: str) -> list[tuple[str, str]]:
        return [(entry.target, entry.reason) for entry in (await self.client.audit(verb=verb)).entries]


def _body(argument: Any) -> bytes:
    return b"" if argument is None else json.dumps(argument).encode()


# Plain requests.


@attrs.frozen
class Plain:
    """HTTP as any program can speak it."""

    http: httpx2.AsyncClient

    async def _ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = await self.http.request(method, path, json=body, params=query)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def call(self, target: str, argument: Any = None) -> Any:
        return await self._ask("POST", f"/{target}", argument)

    async def send(self, target: str, argument: Any = None) -> str:
        sent: str = (await self._ask("POST", f"/{target}/send", argument))["invocationId"]
        return sent

    async def info(self, of: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._ask("GET", f"/invocations/{of}")
        return found

    async def find(self, where: str) -> list[str]:
        found = await self._ask("GET", "/invocations", where=where, limit=1000)
        return [info["id"] for info in found["invocations"]]

    async def count(self, where: str) -> int:
        found: int = (await self._ask("POST", "/query", {"sql": COUNT + where}))["rows"][0][0]
        return found

    async def preview(self, verb: str, where: str) -> int:
        count: int = (await self._ask("POST", "/jobs/preview", {"where": where}))["count"]
        return count

    async def bulk(self, verb: str, where: str, **options: Any) -> Bulk:
        job = await self._ask("POST", "/jobs", {"verb": verb, "where": where, "options": options})
        info = await self._ask("GET", f"/jobs/{job['id']}", wait="true")
        assert info["done"] == info["total"]
        return Bulk(changed=info["changed"], refused=sum(info["refused"].values()))

    async def signal(self, of: str, name: str, value: Any) -> None:
        await self._ask("POST", f"/invocations/{of}/signals/{name}", value)

    async def plan(self, of: str, step: str, deployment: str) -> tuple[list[str], list[str]]:
        body = {"from_step": step, "deployment": deployment, "dry_run": True}
        answer = await self._ask("PATCH", f"/invocations/{of}/restart-as-new", body)
        return _names(answer["successor"]["kept"]), _names(answer["successor"]["again"])

    async def restart(self, of: str, step: str, *, deployment: str, reason: str) -> str:
        path, query = f"/invocations/{of}/restart-as-new", {"from": step, "deployment": deployment}
        new: str = (await self._ask("PATCH", path, {"reason": reason}, **query))["new_invocation_id"]
        return new

    async def close_gate(self, scope: str, reason: str) -> None:
        assert (await self._ask("PATCH", f"/gates/{scope}/close", {"reason": reason}))["changed"]

    async def open_gate(self, scope: str, reason: str) -> None:
        assert (await self._ask("PATCH", f"/gates/{scope}/open", {"reason": reason}))["changed"]

    async def check(self, where: str) -> dict[str, int]:
        summary = await self._ask("POST", "/checks", {"where": where})
        return {cohort["verdict"]: cohort["count"] for cohort in summary["cohorts"]}

    async def audit(self, verb: str) -> list[tuple[str, str]]:
        entries = (await self._ask("GET", "/audit", verb=verb))["entries"]
        return [(entry["target"], entry["reason"]) for entry in entries]


# The command line.


@attrs.frozen
class CommandLine:
    """``playhead``, each time as a process of its own, that finds the server by the data directory."""

    data: Path

    async def _run(self, *words: str, codes: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "playhead", *words, "--data", str(self.data)]
        said = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, env=environment(), cwd=self.data.parent
        )
        assert said.returncode in codes, (words, said.stdout.decode(), said.stderr.decode())
        return said

    async def _say(self, *words: str) -> str:
        return (await self._run(*words)).stdout.decode()

    async def _ask(self, *words: str) -> Any:
        return json.loads(await self._say(*words, "-o", "json"))

    async def call(self, target: str, argument: Any = None) -> Any:
        return json.loads(await self._say("call", target, *_word(argument)))

    async def send(self, target: str, argument: Any = None) -> str:
        return (await self._say("send", target, *_word(argument))).strip()

    async def info(self, of: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._ask("invocations", "describe", of))["invocation"]
        return found

    async def find(self, where: str) -> list[str]:
        return [info["id"] for info in await self._ask("invocations", "list", "--where", where, "--limit", "1000")]

    async def count(self, where: str) -> int:
        (row,) = await self._ask("sql", COUNT + where)
        return int(row["count"])

    async def preview(self, verb: str, where: str) -> int:
        preview = await self._ask("invocations", verb, "--where", where, "--dry-run")
        return int(preview["count"])

    async def bulk(self, verb: str, where: str, **options: Any) -> Bulk:
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        info = await self._ask("invocations", verb, "--where", where, "--yes", *words)
        assert info["done"] == info["total"]
        return Bulk(changed=info["changed"], refused=sum(info["refused"].values()))

    async def signal(self, of: str, name: str, value: Any) -> None:
        await self._say("invocations", "signal", of, name, *_word(value))

    async def plan(self, of: str, step: str, deployment: str) -> tuple[list[str], list[str]]:
        words = ("invocations", "restart", of, "--from", step, "--deployment", deployment, "--dry-run")
        (found,) = await self._ask(*words)
        return _names(found["plan"]["kept"]), _names(found["plan"]["again"])

    async def restart(self, of: str, step: str, *, deployment: str, reason: str) -> str:
        words = ("invocations", "restart", of, "--from", step, "--deployment", deployment, "--reason", reason)
        (answer,) = await self._ask(*words)
        new: str = answer["new_invocation_id"]
        return new

    async def close_gate(self, scope: str, reason: str) -> None:
        assert (await self._ask("gates", "close", scope, "--reason", reason))["changed"]

    async def open_gate(self, scope: str, reason: str) -> None:
        assert (await self._ask("gates", "open", scope, "--reason", reason))["changed"]

    async def check(self, where: str) -> dict[str, int]:
        said = await self._run("invocations", "check", "--where", where, "-o", "json", codes=(0, 1))
        summary = json.loads(said.stdout)
        assert said.returncode == any(cohort["verdict"] != "same" for cohort in summary["cohorts"])
        return {cohort["verdict"]: cohort["count"] for cohort in summary["cohorts"]}

    async def audit(self, verb: str) -> list[tuple[str, str]]:
        entries = await self._ask("audit", "--verb", verb)
        return [(entry["target"], entry["reason"]) for entry in entries]


def _word(argument: Any) -> tuple[str, ...]:
    return () if argument is None else (json.dumps(argument),)


def environment() -> dict[str, str]:
    """What a process of this project needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLAYHEAD_")}
    return kept | {"PYTHONPATH": python_path(ROOT), "NO_COLOR": "1"}


# The stages that they stand on.

Opened = Callable[[str], AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def in_process(folder: Path, story: str) -> AsyncIterator[Stage]:
    """The app in this process. It is deployed as a program does that can reload its code."""
    app, ledger = _copied(folder, story)
    with ledger.open("a", buffering=1) as written, redirect_stdout(written):
        classes = load_app(str(app))
        async with actors.open_runtime(*classes, path=folder / "data", code=app, durability="os") as runtime:

            async def deploy() -> None:
                await runtime.client.register_deployment(app)

            client = runtime.client
            yield Stage(face=Python(client), others=client, app=app, ledger=ledger, deploy=deploy)


@asynccontextmanager
async def served(
    folder: Path, story: str, face_of: Callable[[Server], AbstractAsyncContextManager[Face]]
) -> AsyncIterator[Stage]:
    """The app in a server process. It is deployed by a new start."""
    app, ledger = _copied(folder, story)
    server = Server(app=app, data=folder / "data", ledger=ledger)
    await server.start()
    try:
        async with face_of(server) as face, actors.connect(server.url, token=server.token) as others:
            yield Stage(face=face, others=others, app=app, ledger=ledger, deploy=server.start_again)
    finally:
        server.end()


@asynccontextmanager
async def over_a_connection(server: Server) -> AsyncIterator[Face]:
    """``actors.connect``."""
    async with actors.connect(server.url, token=server.token) as client:
        yield Python(client)


@asynccontextmanager
async def over_plain_http(server: Server) -> AsyncIterator[Face]:
    """Requests without a client of ours."""
    headers = {"authorization": f"Bearer {server.token}"}
    async with without_tls(base_url=server.url, headers=headers) as http:
        yield Plain(http)


@asynccontextmanager
async def from_the_command_line(server: Server) -> AsyncIterator[Face]:
    """``playhead``."""
    await trio.lowlevel.checkpoint()
    yield CommandLine(server.data)


def _copied(folder: Path, story: str) -> tuple[Path, Path]:
    app, ledger = folder / f"{story}.py", folder / "ledger"
    app.write_text((STORIES / f"{story}.py").read_text())
    ledger.touch()
    return app, ledger


@attrs.define(eq=False)
class Server:
    """``playhead serve``, on the same port for all its life; what it prints goes to the ledger."""

    app: Path
    data: Path
    ledger: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def remarks(self) -> Path:
        return self.data.parent / "remarks"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        command = [sys.executable, "-m", "playhead", "serve", str(self.app), "--data", str(self.data)]
        command += ["--port", str(self.port), "--durability", "os"]
        process = self.process = self._spawn(command)

        async def serves() -> bool:
            await trio.lowlevel.checkpoint()
            assert process.poll() is None, self.remarks.read_text()
            address = read_address(self.data)
            return address is not None and address.pid == process.pid

        await until(serves)
        address = read_address(self.data)
        assert address is not None
        self.port = int(address.url.rpartition(":")[2])

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.ledger.open("ab") as printed, self.remarks.open("wb") as said:
            return subprocess.Popen(command, stdout=printed, stderr=said, env=environment())

    async def start_again(self) -> None:
        """Stop it as an operator does, and start it on the code as it is then."""
        assert self.process is not None
        self.process.terminate()
        await trio.to_thread.run_sync(self.process.wait)
        await self.start()

    def end(self) -> None:
        """End it, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


FACES: dict[str, Callable[[Path, str], AbstractAsyncContextManager[Stage]]] = {
    "in the process": in_process,
    "over a connection": partial(served, face_of=over_a_connection),
    "plain HTTP": partial(served, face_of=over_plain_http),
    "command line": partial(served, face_of=from_the_command_line),
}
