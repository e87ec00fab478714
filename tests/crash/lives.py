"""One data directory, the servers that live and die on it, and the clients that see all of them.

The clients ask over HTTP, each operation until it is answered, whichever server is there then. So most deaths meet calls that wait,
and these attach to what they had asked for when the next server is there.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import chain, count, islice
from random import Random
from typing import TYPE_CHECKING

import attrs
import trio

import actors
from actors.types import JobState
from cli.commands.doctor import look
from journal.events import Status
from tests.crash import judge
from tests.crash.bank import Account, Bank
from tests.crash.bugs import BUGS
from tests.crash.operations import ACCOUNTS, IN_A_JOB, Heard, Operation, operation, perform
from tests.crash.server import Server, open_server, token_of
from tests.journal.shim import cut_power, note_as_synced, preloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from actors import Client
    from actors.types import InvocationInfo
    from tests.crash.box import Box

CLIENTS = 8
PARTITIONS = 2
REPEATED = 10
"""How many of the last operations that were answered are asked for again in the next life."""

SEED = int(os.environ.get("CRASH_SEED", "1"))
DEATHS_OF_A_DIRECTORY = 25
ACKNOWLEDGEMENTS = 12
"""Of a life, on average."""

PAUSE_SECONDS = 0.005
"""Before a client asks again."""

LONGEST_START_SECONDS = 0.2
STOPS = 5
"""How often a server may be stopped in the end with something still under way."""

_STILL_OPEN = [status for status in Status if status is not Status.COMPLETED]
_AWAY = (actors.UnavailableError, actors.UnknownOutcomeError)


@attrs.frozen
class Death:
    """How a server dies: once so many acknowledgements were heard, or, without any, so many seconds after its process began.

    ``is_stopped_first``: it stands still before it is killed.
    """

    acknowledgements: int
    seconds: float = 0.0
    is_stopped_first: bool = False


@attrs.define(eq=False)
class Lives:
    """Made by :func:`open_lives`. ``broken`` is what went wrong with the servers themselves."""

    directory: Path
    ledger: Path
    server: Server
    durability: str
    is_power_cut: bool
    bug: str
    patience: float
    heard: list[Heard] = attrs.field(factory=list)
    seen: list[judge.Seen] = attrs.field(factory=list)
    recorded: dict[str, int] = attrs.field(factory=dict)
    told: list[judge.Told] = attrs.field(factory=list)
    broken: list[str] = attrs.field(factory=list)
    deaths: int = 0
    acknowledged: int = 0
    refusals: int = 0
    _numbers: Iterator[int] = attrs.field(factory=count)
    _again: deque[int] = attrs.field(factory=deque)
    _answered: list[int] = attrs.field(factory=list)
    _moments: Iterator[int] = attrs.field(factory=count)
    _heard_enough: trio.Event = attrs.field(factory=trio.Event)
    _enough: int = 0

    @property
    def forgets(self) -> bool:
        """Whether a death may take what was acknowledged."""
        return self.is_power_cut and self.durability == "os"

    # The servers.

    async def live_and_die(self, death: Death) -> None:
        """Serve the clients, and die. What is left is looked at."""
        if self.is_power_cut:
            note_as_synced(self.directory, _trace_of(self.directory))
        options = ("--durability", self.durability)
        if death.acknowledgements:
            is_cold = not self.deaths and not self.bug
            await self.server.start(self.directory, *options, is_cold=is_cold, bug=self.bug)
            self._again.extend(self._answered[-REPEATED:])
            await self._hear(death.acknowledgements)
        else:
            await self.server.begin(self.directory, *options, bug=self.bug)
            await trio.sleep(death.seconds)
        await self.server.kill(is_stopped_first=death.is_stopped_first)
        self.deaths += 1
        if self.is_power_cut:
            cut_power(self.directory, _trace_of(self.directory))
        self._look_at_the_remains()

    async def _hear(self, acknowledgements: int) -> None:
        self._heard_enough, self._enough = trio.Event(), len(self.heard) + acknowledgements
        with trio.move_on_after(self.patience) as patience:
            await self._heard_enough.wait()
        if patience.cancelled_caught:
            self.broken.append(f"life {self.deaths + 1} went silent: {self.server.said()}")

    def _look_at_the_remains(self) -> None:
        """Remember how long the ledger was when the outcomes that are on disk now were."""
        length = len(self._ledger_lines())
        on_disk = judge.recorded_steps(self.directory)
        if self.forgets:
            self.heard.clear()
            self.seen.clear()
            self._answered.clear()
            self.recorded = {key: at for key, at in self.recorded.items() if key in on_disk}
        for key in on_disk:
            self.recorded.setdefault(key, length)

    def _ledger_lines(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    # The clients.

    async def serve_clients(self) -> None:
        """Let them ask for ever."""
        await self.server.is_up.wait()  # there is a token from here on
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(self._ask_for_ever)

    async def _ask_for_ever(self) -> None:
        async with self._client() as client:
            while True:
                await self.server.is_up.wait()
                await self.ask(client, self._again.popleft() if self._again else next(self._numbers))

    def _client(self) -> AbstractAsyncContextManager[Client]:
        return actors.connect(self.server.url, token=token_of(self.directory))

    async def ask(self, client: Client, number: int) -> None:
        """Ask for an operation until it is answered."""
        wanted = operation(number)
        asked = first_asked = next(self._moments)
        while True:
            try:
                await perform(client, wanted, partial(self._on_heard, wanted, asked))
            except _AWAY:
                self.refusals += 1
                await self.server.is_up.wait()
                await trio.sleep(PAUSE_SECONDS)
            except actors.NotFoundError as error:
                if not self.forgets:
                    self.broken.append(f"lost: {error}")
                    return
            else:
                self._answered.append(number)
                return
            # An append may have been taken the first time. A read is another one each time.
            asked = first_asked if wanted.kind == "append" else next(self._moments)

    def _on_heard(self, wanted: Operation, asked: int, heard: Heard) -> None:
        self.heard.append(heard)
        self.acknowledged += 1
        appended = wanted.number if wanted.kind == "append" else None
        if wanted.kind == "read" or (appended is not None and appended not in self._answered):
            self.seen.append(judge.Seen(wanted.account, appended, int(heard.what), asked, next(self._moments)))
        if len(self.heard) >= self._enough:
            self._heard_enough.set()

    async def serve(self, numbers: Iterable[int]) -> None:
        """Start a server, ask for these operations, and let everything end that they have begun."""
        await self.server.start(self.directory)
        async with self._client() as client:
            for number in numbers:
                await self.ask(client, number)
            for job in self._jobs():
                await client.jobs.job(job).result()
            while await help_along(client):
                await trio.sleep(0.001)

    # The end.

    async def finish(self, *, asked_again: int = 100) -> None:
        """Let everything end, ask once more for what was answered, and hear what the accounts and the audit say.

        A message may still be under way when nothing else is. The server that is asked to stop delivers it, and what it begins
        waits for the next server.
        """
        bug = self.bug if self.bug and BUGS[self.bug].to_the_end else ""
        again = self._answered[-asked_again:]
        for _ in range(STOPS):
            await self.server.start(self.directory, bug=bug)
            await self._come_to_rest(again)
            await self._stop()
            if self.broken or not judge.read(self.directory).is_under_way:
                return
            again = []

    async def _come_to_rest(self, again: Iterable[int]) -> None:
        with trio.move_on_after(self.patience) as patience, self._noting_errors():
            async with self._client() as client:
                for job in self._jobs():
                    await client.jobs.job(job).result()
                while await help_along(client):
                    await trio.sleep(0.01)
                for number in again:
                    await self.ask(client, number)
                while await help_along(client):
                    await trio.sleep(0.01)
                self.told.clear()
                await self._hear_the_end(client)
        if patience.cancelled_caught:
            self.broken.append(f"it did not come to an end in {self.patience} seconds: {self.server.said()}")

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except actors.ActorError as error:
            self.broken.append(f"it did not come to an end: {error!r}")

    async def _hear_the_end(self, client: Client) -> None:
        for number in range(ACCOUNTS):
            balance, lines = await client.actor(Account, f"a{number}").read()
            self.told.append(judge.Told(f"a{number}", balance, lines))
        audit = await client.verify_audit()
        self.broken += audit.broken
        for job in self._jobs():
            await self._hear_of_job(client, job)

    def _jobs(self) -> set[str]:
        return {json.loads(heard.what)[0] for heard in self.heard if heard.verb == "asked"}

    async def _hear_of_job(self, client: Client, of: str) -> None:
        try:
            job = await client.jobs.job(of).info()
        except actors.NotFoundError as error:
            self.broken.append(f"lost: {error}")
        else:
            if (job.state, job.total, job.done) != (JobState.DONE, IN_A_JOB, IN_A_JOB):
                self.broken.append(f"a job that was acknowledged is {job}")

    async def _stop(self) -> None:
        if code := await self.server.stop():
            self.broken.append(f"a server that was asked to end ended with {code}: {self.server.said()}")

    def wrongs(self) -> list[str]:
        """Everything that is not as it was promised."""
        remains, ledger = judge.read(self.directory), self._ledger_lines()
        return [
            *self.broken,
            *judge.wrongs(remains, self.heard, self.recorded, ledger),
            *judge.wrongs_of_readers(remains, self.told),
            *judge.wrongs_of_logs(remains, self.seen),
            *(f"the doctor finds {finding}" for finding in look(self.directory).findings),
        ]


@asynccontextmanager
async def open_lives(
    folder: Path,
    *,
    durability: str = "fsync",
    is_power_cut: bool = False,
    bug: str = "",
    patience: float = 120.0,
    control: Path | None = None,
) -> AsyncIterator[Lives]:
    """A new directory in this folder. ``control`` is the file through which its disk is told to fail."""
    directory, ledger = folder / "data", folder / "ledger"
    async with actors.open_runtime(Account, Bank, path=directory, durability=durability, partitions=PARTITIONS):
        pass  # a server makes one partition
    trace = _trace_of(directory) if is_power_cut else None
    environment = preloaded(directory, control=control, trace=trace) if trace or control else None
    async with open_server(ledger, environment) as server:
        yield Lives(directory, ledger, server, durability, is_power_cut, bug, patience)


async def live_die_and_finish(lives: Lives, deaths: Iterable[Death]) -> None:
    """Die of all of these, and finish."""
    async with trio.open_nursery() as clients:
        clients.start_soon(lives.serve_clients)
        for death in deaths:
            await lives.live_and_die(death)
        clients.cancel_scope.cancel()
    await lives.finish()


async def die_often(folder: Path, deaths: Box, is_power_cut: bool) -> Counter[str]:
    """Die in a directory of each durability, and in the next two, as long as the box lets it. Stops at the first one in which something
    is wrong. What was counted."""
    tally: Counter[str] = Counter()
    rounds = iter(deaths)
    for number in count():
        durability = ("fsync", "os")[number % 2]
        some = list(islice(rounds, 1))
        if not some:
            return tally
        random = Random(f"{SEED} {number} {is_power_cut}")
        async with open_lives(
            folder / f"{number}-{durability}", durability=durability, is_power_cut=is_power_cut
        ) as lives:
            here = chain(some, islice(rounds, DEATHS_OF_A_DIRECTORY - 1))
            await live_die_and_finish(lives, (death_of(random, index) for index, _ in enumerate(here)))
            wrongs = lives.wrongs()
            assert not wrongs, f"seed {SEED}, directory {number}: {len(wrongs)} wrongs, the first: {wrongs[:5]}"
            tally += Counter(directories=1, acknowledgements=lives.acknowledged, outcomes_of_steps=len(lives.recorded))
    raise AssertionError("directories do not end")


def death_of(random: Random, number: int) -> Death:
    """One in six while it starts; one in six stands still first."""
    if number % 6 == 5:
        return Death(0, seconds=random.random() * LONGEST_START_SECONDS)
    return Death(random.randrange(1, 2 * ACKNOWLEDGEMENTS), is_stopped_first=number % 6 == 2)


def _trace_of(directory: Path) -> Path:
    return directory.with_suffix(".trace")


async def help_along(client: Client) -> bool:
    """Let what waits for a person come to its end; whether there was anything."""
    waiting = await client.invocations(status=_STILL_OPEN, limit=1_000)
    for info in waiting:
        await _help(client, info)
    return bool(waiting)


async def _help(client: Client, info: InvocationInfo) -> None:
    handle = client.invocation(info.id)
    try:
        if info.status is Status.PAUSED:
            await handle.resume()
        if info.target.handler == "wait":
            await handle.signal("go", 0)
        elif info.target.handler == "endure":
            await handle.cancel(reason="late")
    except actors.ConflictError:
        return
