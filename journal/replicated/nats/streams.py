"""The streams of a journal in NATS. ::

    playhead                  the identity of the journal, written once
    playhead-ID-log-0 …       a partition each: entry 7 is message 7
    playhead-ID-post          messages on their way to partitions
    playhead-ID-chunks        what snapshots consist of
    playhead-ID-snapshots     the snapshots, and what was removed
    playhead-ID-beats         the last heartbeat of each node, in memory

ID is made from the identity, so that what a creation left that did not end is never taken for a journal.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio

from journal.errors import InDoubt, JournalError, Unavailable
from journal.replicated.log import LogUnusable
from journal.replicated.nats.jetstream import NOT_CLUSTERED, JetStreamRefused
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from journal.replicated.nats.jetstream import JetStream

log = SafeLogger(__name__)

_REPLICAS = 3
_BEAT_NANOSECONDS = 60 * 1_000_000_000
_TOGETHER = 8
_TRIES = 5
_BETWEEN_TRIES_SECONDS = 0.2
_EVERYTHING = {
    "retention": "limits",
    "storage": "file",
    "discard": "new",
    "max_msgs": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "deny_delete": False,
    "deny_purge": False,
    "allow_direct": True,
    "allow_atomic": False,
}
"""With these settings a stream removes nothing by itself: where it has a limit of bytes, it refuses."""

_COMPARED = ("subjects", *_EVERYTHING)


@attrs.frozen
class StreamNames:
    """The names of a journal's streams and of their subjects."""

    journal: str
    id: str

    @classmethod
    def of(cls, journal: str, identity: bytes) -> StreamNames:
        """Return the names for the journal with this identity."""
        return cls(journal, hashlib.blake2b(identity, digest_size=5).hexdigest())

    @property
    def subjects(self) -> str:
        """The prefix of all subjects."""
        return f"{self.journal}.{self.id}"

    def stream(self, kind: str) -> str:
        return f"{self.journal}-{self.id}-{kind}"

    def log(self, partition: int) -> str:
        """The stream of a partition's entries."""
        return self.stream(f"log-{partition}")

    def entries(self, partition: int) -> str:
        """The subject of a partition's entries."""
        return f"{self.subjects}.log.{partition}"

    def all(self, partitions: int) -> dict[str, dict[str, Any]]:
        """Return the settings of each stream but that of the identity."""
        base = self.subjects
        streams: dict[str, dict[str, Any]] = {
            self.log(partition): {"subjects": [self.entries(partition)], "deny_delete": True}
            for partition in range(partitions)
        }
        streams[self.stream("post")] = {"subjects": [f"{base}.post.>"], "allow_atomic": True}
        streams[self.stream("chunks")] = {"subjects": [f"{base}.chunk.>"], "max_msgs_per_subject": 1, "discard": "old"}
        streams[self.stream("snapshots")] = {"subjects": [f"{base}.snapshot"]}
        streams[self.stream("beats")] = {
            "subjects": [f"{base}.beat.*"],
            "storage": "memory",
            "max_msgs_per_subject": 1,
            "discard": "old",
            "max_age": _BEAT_NANOSECONDS,
        }
        return streams


def identity_subject(journal: str) -> str:
    """Return the subject of a journal's identity, which is in a stream of the journal's name."""
    return f"{journal}.identity"


async def create_identity_stream(js: JetStream, journal: str, replicas: int | None) -> None:
    """Create the stream of a journal's identity unless it is there. Raises as :func:`create_streams` does."""
    await _create(
        js, journal, {"subjects": [identity_subject(journal)], "deny_delete": True, "deny_purge": True}, replicas
    )


async def create_streams(
    js: JetStream, names: StreamNames, partitions: int, replicas: int | None, *, first: int = 1
) -> None:
    """Create all streams of a journal; the logs begin with entry ``first``. Raises :class:`LogUnusable` if a stream cannot be created as
    it must be, and ``Unavailable``."""
    logs = {names.log(partition) for partition in range(partitions)} if first > 1 else set()
    await _side_by_side(
        partial(_create, js, name, {**settings, **({"first_seq": first} if name in logs else {})}, replicas)
        for name, settings in names.all(partitions).items()
    )


async def check_streams(js: JetStream, names: StreamNames, partitions: int) -> None:
    """Return if the streams are as they were created. Raises :class:`LogUnusable` if one is missing or would lose messages, and
    ``Unavailable``."""
    found: dict[str, dict[str, Any]] = {}

    async def look(name: str) -> None:
        found[name] = await js.info(name)

    await _side_by_side(partial(look, name) for name in names.all(partitions))
    for name, settings in names.all(partitions).items():
        _expect(name, found[name]["config"], settings)
    alone = [name for name in found if found[name]["config"]["num_replicas"] == 1]
    if alone and js.client.info.get("cluster"):
        log.warning(
            "%d streams of the journal have one replica although NATS is a cluster: if the disk of that server is lost, so is the journal. "
            "Give each three: nats stream edit %s --replicas 3",
            len(alone),
            alone[0],
        )


async def remove_streams(js: JetStream, names: StreamNames, partitions: int) -> None:
    """Remove the streams of a journal that was not created to the end. Raises ``Unavailable``."""
    for name in names.all(partitions):
        await js.ask(f"STREAM.DELETE.{name}", but=frozenset({10059}))


async def _side_by_side(requests: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Make requests, some at a time and each again while no leader is elected, and raise the first error."""
    limit, failed = trio.CapacityLimiter(_TOGETHER), list[JournalError]()

    async def make(request: Callable[[], Awaitable[None]]) -> None:
        async with limit:
            try:
                await _patiently(request)
            except JournalError as error:
                failed.append(error)

    async with trio.open_nursery() as nursery:
        for request in requests:
            nursery.start_soon(make, request)
    if failed:
        raise failed[0]


async def _patiently(request: Callable[[], Awaitable[None]]) -> None:
    for _ in range(_TRIES - 1):
        try:
            await request()
        except LogUnusable:
            raise
        except Unavailable as error:
            log.debug("tried again: %s", error)
            await trio.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return
    await request()


async def _create(js: JetStream, name: str, settings: Mapping[str, Any], replicas: int | None) -> None:
    wanted = {"name": name, **_EVERYTHING, **settings, "num_replicas": _REPLICAS if replicas is None else replicas}
    try:
        try:
            found = await js.ask_once(f"STREAM.CREATE.{name}", wanted)
        except JetStreamRefused as error:
            if error.number != NOT_CLUSTERED or replicas is not None:
                raise
            found = await js.ask_once(f"STREAM.CREATE.{name}", {**wanted, "num_replicas": 1})
    except JetStreamRefused as error:
        existing = await js.ask(f"STREAM.INFO.{name}", but=frozenset({10059}))
        if existing is not None:
            _expect(name, existing["config"], settings)
            return
        raise LogUnusable(
            f"the stream {name} cannot be created in NATS: {error}. Give the user an account whose limits permit it, say how many servers "
            "keep each stream (…?replicas=1), or name the journal differently (nats://HOST/NAME)"
        ) from error
    except InDoubt as error:
        raise Unavailable(f"the stream {name} could not be created: {error}") from error
    _expect(name, found["config"], settings)


def _expect(name: str, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    wanted = {**_EVERYTHING, **settings}
    for setting in _COMPARED:
        default = -1 if setting.startswith("max_msgs") else 0 if setting == "max_age" else False
        if found.get(setting, default) != wanted[setting]:
            raise LogUnusable(
                f"the stream {name} in NATS has {setting} = {found.get(setting, default)!r}, expected {wanted[setting]!r}: it belongs to "
                "something else, or was changed and could lose entries. Restore the setting, or name the journal differently "
                "(nats://HOST/NAME)"
            )
