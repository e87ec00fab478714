"""A tour of the product on a real server that is really killed, with a check of every claim."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
import trio
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.errors import ActorError
from actors.http.address import read_address
from cli.backend import ServerOptions, live
from cli.demo.app import LEDGER_VARIABLE
from cli.render.output import safe
from journal.errors import BrokenInvariant
from journal.events import OutcomeKind, Status, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.control.client import Client
    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo

_PATIENCE_SECONDS = 30.0
_FIRST, _SECOND = "why is the sky blue", "why is the sunset red"


def tell_story(*, is_kept: bool) -> None:
    """Run the story in a temporary directory. Ends the command with exit code 1 if a claim is false."""
    directory = Path(tempfile.mkdtemp(prefix="playhead-demo-"))
    story = Story(directory, Console(highlight=False))
    started = time.monotonic()
    try:
        trio.run(story.tell)
        all_true = story.verify()
    finally:
        story.kill_server()
        if not is_kept:
            _remove(directory)
    story.say(f"\n{time.monotonic() - started:.1f} seconds, durability fsync.")
    if is_kept:
        story.say(
            f"The data is in {directory / 'data'}. Show it with: playhead invocations list --data {directory / 'data'}"
        )
    if not all_true:
        raise click.exceptions.Exit(1)


@attrs.define(eq=False)
class Story:
    """The demo while it runs."""

    directory: Path
    console: Console
    server: subprocess.Popen[bytes] | None = None
    first: InvocationId | None = None
    second: InvocationId | None = None
    trip: InvocationId | None = None
    infos: dict[str, InvocationInfo] = attrs.field(factory=dict)
    timeline: list[JournalEntry] = attrs.field(factory=list)
    steps_before_the_kill: list[str] = attrs.field(factory=list)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def ledger_path(self) -> Path:
        """The file in which the side effects record what really happened."""
        return self.directory / "ledger"

    def ledger(self) -> list[str]:
        """Read the lines of the side effects."""
        return self.ledger_path.read_text().splitlines() if self.ledger_path.exists() else []

    def say(self, text: str) -> None:
        """Print a line for the reader."""
        self.console.print(Text.from_markup(text), soft_wrap=True)

    # The story.

    async def tell(self) -> None:
        """Run every part of the story."""
        with trio.fail_after(3 * _PATIENCE_SECONDS):
            self.heading("1", "A chat object, and an agent that writes its answers in recorded steps")
            async with self.serving() as client:
                await self.interrupt(client)
                await self.kill_in_the_middle(client)
            self.heading(
                "4", "The process starts again on the same directory, and the agent continues after its last step"
            )
            async with self.serving() as client:
                await self.go_on(client)
                await self.undo(client)
                await self.look(client)

    async def interrupt(self, client: Client) -> None:
        self.first = await self.ask(client, _FIRST)
        await self.watch(client, self.first, _FIRST, tokens=15)
        self.heading("2", "A new message arrives: the chat object cancels the answer in progress")
        self.second = await self.ask(client, _SECOND)
        await self.ended(client, self.first)
        self.say(
            f"   the first answer: [yellow]cancelled[/]; its step stopped, then it saved its partial answer ({self.first})"
        )

    async def kill_in_the_middle(self, client: Client) -> None:
        if self.second is None:
            raise BrokenInvariant("the demo has not started")
        await self.watch(client, self.second, _SECOND, tokens=26)
        self.steps_before_the_kill = [line for line in self.ledger() if line.startswith(f"end {_SECOND}")]
        if self.server is None:
            raise BrokenInvariant("the demo has not started")
        self.heading("3", f"SIGKILL to the server in the middle of a sentence (pid {self.server.pid})")
        self.kill_server()

    async def go_on(self, client: Client) -> None:
        if self.second is None:
            raise BrokenInvariant("the demo has not started")
        await self.watch(client, self.second, _SECOND, tokens=None)
        result = await client.invocation(self.second).result()
        self.say(f"   [green]{safe(result)}[/]")

    async def undo(self, client: Client) -> None:
        self.heading("5", "A saga: flight, hotel and car; cancelled while the car is being booked")
        sent = await client.send_by_name(Target("Trip", None, "arrange"), b'"ada"')
        self.trip = sent.invocation_id
        await self.noted("begin book car")
        await client.invocation(self.trip).cancel(reason="the trip is off")
        await self.ended(client, self.trip)
        for line in self.ledger():
            if "book" in line or line.startswith("undo"):
                self.say(f"   {safe(line)}")

    async def look(self, client: Client) -> None:
        for name, of in (("first", self.first), ("second", self.second), ("trip", self.trip)):
            if of is None:
                raise BrokenInvariant("the demo has not started")
            self.infos[name] = await client.invocation(of).info()
        if self.second is None:
            raise BrokenInvariant("the demo has not started")
        self.timeline = [entry async for entry in client.invocation(self.second).events()]
        self.heading("6", "The journal of the second answer")
        self.console.print(timeline_table(self.timeline, killed_after=self.steps_before_the_kill))

    # Its parts.

    def heading(self, number: str, text: str) -> None:
        self.say(f"\n[bold cyan]{number}[/] [bold]{text}[/]")

    async def ask(self, client: Client, question: str) -> InvocationId:
        _, outcome = await client.call_by_name(Target("Chat", "ada", "message"), f'"{question}"'.encode())
        task = InvocationId(outcome.value)
        self.say(f"   playhead call Chat/ada/message '\"{question}\"'  [dim]-> {task}[/]")
        return task

    async def watch(self, client: Client, of: InvocationId, question: str, *, tokens: int | None) -> None:
        """Print the answer as it is written, until it has this number of tokens or ends."""
        words: list[str] = []
        with Live(self._answer(question, words), console=self.console, transient=False, refresh_per_second=20) as shown:
            async for chunk in client.invocation(of).chunks(live=True):
                if chunk.is_reset:
                    words.clear()
                else:
                    words.append(str(chunk.value))
                shown.update(self._answer(question, words))
                if tokens is not None and len(words) >= tokens:
                    return

    def _answer(self, question: str, words: list[str]) -> Panel:
        return Panel(safe(" ".join(words)) or "…", title=f"{question}?", title_align="left", width=80)

    async def ended(self, client: Client, of: InvocationId) -> None:
        while (await client.invocation(of).info()).status is not Status.COMPLETED:
            await trio.sleep(0.02)

    async def noted(self, line: str) -> None:
        while line not in self.ledger():
            await trio.sleep(0.02)

    # The server.

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        """Run a server process for the block, with a client of it."""
        server = self.server = self._start()
        self.say(f"   [dim]playhead serve (pid {server.pid})[/]")
        await self._answers(server)
        async with live(ServerOptions(data=self.data)) as client:
            yield client

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {LEDGER_VARIABLE: str(self.ledger_path)}
        command = [sys.executable, "-m", "playhead", "serve", "cli.demo.app", "--data", str(self.data), "--port", "0"]
        with (self.directory / "server.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    async def _answers(self, server: subprocess.Popen[bytes]) -> None:
        with trio.fail_after(_PATIENCE_SECONDS):
            while (address := read_address(self.data)) is None or address.pid != server.pid:
                if server.poll() is not None:
                    text = (self.directory / "server.log").read_text()
                    raise ActorError(f"the server did not start: {text[-2000:]}")
                await trio.sleep(0.02)

    def kill_server(self) -> None:
        """Kill the server, as a power failure would except for the disk's cache."""
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()

    # The claims.

    def verify(self) -> bool:
        """Check every claim against the lines of the side effects and print it. Returns whether all are true."""
        self.heading("7", "Check every claim: the log of the side effects, against the journal")
        all_true = True
        for claim, is_true in self.claims():
            all_true = all_true and is_true
            self.say(f"   {'[green]yes[/]' if is_true else '[bold red]NO [/]'}  {claim}")
        return all_true

    def claims(self) -> Iterator[tuple[str, bool]]:
        """Yield each claim of the demo, and whether it is true."""
        ledger = self.ledger()
        recorded = [e.details["step"] for e in self.timeline if e.name == "StepCompleted"]
        stopped = [i for i, line in enumerate(ledger) if line.startswith(f"stopped {_FIRST}")]
        saved = [i for i, line in enumerate(ledger) if line.startswith(f"saved {_FIRST}")]
        ends = [line for line in ledger if line.startswith(f"end {_SECOND}")]
        begun = [line for line in ledger if line.startswith(f"begin {_SECOND}")]
        yield "the first answer was cancelled, with the reason", self._is("first", OutcomeKind.CANCELLED, "superseded")
        yield (
            "its running step was stopped first, then the partial answer was saved, once",
            (len(stopped) == len(saved) == 1 and stopped[0] < saved[0]),
        )
        yield "the second answer is complete, across the kill", self._is("second", OutcomeKind.SUCCEEDED)
        yield (
            f"its {len(self.steps_before_the_kill)} steps that had ended before the kill did not run again",
            (len(self.steps_before_the_kill) > 0 and all(ends.count(line) == 1 for line in self.steps_before_the_kill)),
        )
        yield (
            "the step that the kill interrupted began twice and ended once",
            (len(begun) == len(ends) + 1 and len(set(ends)) == len(ends)),
        )
        yield "every step has exactly one recorded outcome", len(recorded) == len(set(recorded)) == 4
        yield (
            "the trip was cancelled, and undone in reverse order",
            (
                self._is("trip", OutcomeKind.CANCELLED)
                and [line for line in ledger if line.startswith("undo")] == ["undo car", "undo hotel", "undo flight"]
            ),
        )
        yield (
            "no undo began before its own action had stopped",
            (ledger.index("stopped book car") < ledger.index("undo car") if "undo car" in ledger else False),
        )

    def _is(self, name: str, kind: OutcomeKind, reason: str = "") -> bool:
        outcome = self.infos[name].outcome
        return outcome is not None and outcome.kind is kind and reason in outcome.reason


def timeline_table(entries: list[JournalEntry], killed_after: list[str]) -> Table:
    """Return a history as a table, with a line at the kill."""
    table = Table(box=None, padding=(0, 1), header_style="dim", expand=True)
    for column, width in (("event", 5), ("time", 7), ("", 19), ("what", None)):
        table.add_column(column, width=width, no_wrap=True, overflow="ellipsis", ratio=1 if width is None else None)
    start = entries[0].at
    completed = 0
    is_marked = False
    for entry in entries:
        is_first_after = entry.name in ("StepAttemptFailed", "StepCompleted")
        if completed == len(killed_after) and is_first_after and not is_marked:
            table.add_row("", "", "[red]SIGKILL[/]", "[red]the process died here, and was started again[/]")
            is_marked = True
        completed += entry.name == "StepCompleted"
        table.add_row(str(entry.number), f"+{entry.at - start:.2f}s", entry.name, safe(entry.summary))
    return table


def _remove(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)
