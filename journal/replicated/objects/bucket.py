"""An object store as a log needs it: create an object that must not be there yet, read, list, remove.

obstore blocks, so each request runs in a thread, of which there is a bounded number. A read may be abandoned when its task is cancelled.
A write is waited for: it ends within the time that the store has for an answer.

obstore repeats nothing by itself here. A write without an answer is in doubt, and it may arrive later still. :meth:`Bucket.settle` finds
out by reading the object back, for bytes that nobody else writes; it may repeat them, because an object is created once.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs
import obstore
import trio
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from journal.errors import InDoubt, JournalError, Unavailable
from journal.replicated.log import LogUnusable
from journal.replicated.membership import HeartbeatPace
from journal.replicated.snapshots.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from obstore.store import ObjectStore, S3Config

    from journal.replicated.objects.address import ObjectAddress

T = TypeVar("T")

SECONDS_TO_ANSWER = 5.0
"""The time that the store has to answer one request."""
SECONDS_TO_SETTLE = 10.0
"""The time within which a write without an answer must be found out about."""

_SECONDS_TO_CONNECT = 2.0
_SECONDS_TO_RECORD_A_BEAT = 2.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
_MOST_AT_ONCE = 16
_LISTED_TOGETHER = 1000
_REMOVED_TOGETHER = 1000
_MOST_TEXT = 200
_DENIALS = ("403 Forbidden", "401 Unauthorized", "Permission denied")
_METADATA_SERVICE = ("//169.254.169.254/", "/latest/api/token")
"""Where credentials are asked for if the environment has none."""
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>(?:\s*<Message>([^<]{1,300})</Message>)?")


@attrs.frozen(kw_only=True)
class Polling:
    """The time between two looks for an entry or a message: at first, and at most after many in vain."""

    first_seconds: float
    longest_seconds: float


@attrs.frozen
class BucketObject:
    """An object: its name, its bytes, and what changes whenever it is written."""

    name: str
    size: int
    tag: str | None


class Bucket:
    """The objects under the prefix of an address."""

    def __init__(self, store: ObjectStore, shown: str, *, polling: Polling, folder: Path | None = None) -> None:
        """``shown`` names the place for people. Objects in a ``folder`` are synced to its disk."""
        self.shown = shown
        self.polling = polling
        self._store = store
        self._folder = folder
        self._synced: set[Path] = set()
        self._limiter = trio.CapacityLimiter(_MOST_AT_ONCE)

    # Writing.

    async def create(self, name: str, data: bytes) -> bool:
        """Create an object, and return True once it is durable; False if one of that name is there. Raises ``InDoubt`` if that is
        unknown, and ``LogUnusable`` if the store refuses it."""
        try:
            await self._write(partial(self._put, name, data, is_new=True))
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._refusal(error) or InDoubt(f"it is unknown whether {name} was written: {_why(error)}") from error
        return True

    async def settle(self, name: str, data: bytes) -> bool:
        """As :meth:`create`, for bytes that nobody else writes, so that a request without an answer can be found out about. Raises ``InDoubt``
        if the store does not tell within ten seconds."""
        until = trio.current_time() + SECONDS_TO_SETTLE
        pause = _FIRST_PAUSE_SECONDS
        is_in_doubt = False
        while True:
            problem: JournalError | None = None
            try:
                if await self.create(name, data):
                    return True
                found = await self.get(name)
            except LogUnusable as error:
                if not is_in_doubt:
                    raise
                problem = error
            except (InDoubt, Unavailable) as error:
                problem = error
            else:
                if found is not None:
                    return found == data
            is_in_doubt = True
            if trio.current_time() >= until:
                raise InDoubt(f"it is unknown whether {name} was written: {problem or 'it was removed'}") from problem
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def put(self, name: str, data: bytes) -> None:
        """Write an object, in place of one of that name. Raises ``Unavailable``, also if it was written and nobody said so."""
        try:
            await self._write(partial(self._put, name, data, is_new=False))
        except (BaseError, OSError) as error:
            raise self._refusal(error) or Unavailable(f"{name} was not written: {_why(error)}") from error

    async def remove(self, names: Sequence[str]) -> None:
        """Remove objects. Missing ones are ignored. Raises ``Unavailable``."""
        for first in range(0, len(names), _REMOVED_TOGETHER):
            try:
                await self._write(partial(self._remove, names[first : first + _REMOVED_TOGETHER]))
            except (BaseError, OSError) as error:
                raise self._refusal(error) or Unavailable(f"objects were not removed: {_why(error)}") from error

    # Reading.

    async def get(self, name: str) -> bytes | None:
        """Return an object's bytes, None if there is none. Raises ``Unavailable``."""
        try:
            return await self._read(partial(self._get, name))
        except FileNotFoundError as error:
            if _is_about_the_bucket(error):
                raise self._missing() from error
            return None
        except (BaseError, OSError) as error:
            raise self._refusal(error) or Unavailable(f"{name} cannot be read: {_why(error)}") from error

    async def get_all(self, names: Sequence[str]) -> list[bytes | None]:
        """Return the bytes of several objects, in order. Raises ``Unavailable``."""
        found: list[bytes | None] = [None] * len(names)
        failures: list[JournalError] = []

        async def get(index: int, name: str) -> None:
            try:
                found[index] = await self.get(name)
            except JournalError as error:
                failures.append(error)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for index, name in enumerate(names):
                nursery.start_soon(get, index, name)
        if failures:
            raise failures[0]
        return found

    async def listed(self, folder: str, *, after: str | None = None, most: int | None = None) -> list[BucketObject]:
        """Return the objects whose names begin with ``folder/``, in the order of their names: those behind the name ``after``, and at
        least ``most`` of them if there are so many. Raises ``Unavailable``."""
        try:
            return await self._read(partial(self._list, folder, after, most))
        except (BaseError, OSError) as error:
            raise self._refusal(error) or Unavailable(f"{self.shown} cannot be listed: {_why(error)}") from error

    # In threads.

    async def _write(self, function: Callable[[], T]) -> T:
        return await in_thread(function, limiter=self._limiter)

    async def _read(self, function: Callable[[], T]) -> T:
        return await in_thread(function, limiter=self._limiter, abandon_on_cancel=True)

    def _put(self, name: str, data: bytes, *, is_new: bool) -> None:
        obstore.put(self._store, name, data, mode="create" if is_new else "overwrite", use_multipart=False)
        if self._folder is not None:
            self._sync(self._folder / name)

    def _get(self, name: str) -> bytes:
        return bytes(obstore.get(self._store, name).bytes())

    def _list(self, folder: str, after: str | None, most: int | None) -> list[BucketObject]:
        found: list[BucketObject] = []
        for page in obstore.list(self._store, folder, offset=after, chunk_size=_LISTED_TOGETHER):
            found += (BucketObject(each["path"], each["size"], each["e_tag"]) for each in page)
            if most is not None and len(found) >= most and isinstance(self._store, S3Store):  # it lists in order
                break
        return sorted(found, key=lambda each: each.name)

    def _remove(self, names: Sequence[str]) -> None:
        try:
            obstore.delete(self._store, names)
        except FileNotFoundError:  # a folder stops at the first that is missing
            for name in names:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, name)

    def _sync(self, path: Path) -> None:
        """Sync a file, and the folders that lead to it when they are new."""
        _fsync(path)
        _fsync(path.parent)
        for folder in path.parent.parents:
            if folder in self._synced:
                break
            _fsync(folder)
            self._synced.add(folder)
            if folder == self._folder:
                break

    # Failures.

    def _refusal(self, error: BaseException) -> LogUnusable | None:
        """Return what an operator must change, if that is the reason."""
        text = str(error)
        if _is_about_the_bucket(error):
            return self._missing()
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or any(each in text for each in _DENIALS):
            return LogUnusable(
                f"the object store refuses the access to {self.shown}: {_why(error)}; check the credentials in the environment, and that "
                "they permit to read, list, write and delete objects"
            )
        if any(each in text for each in _METADATA_SERVICE):
            return LogUnusable(
                f"there are no credentials for {self.shown}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or give "
                "the machine a role"
            )
        if isinstance(error, NotSupportedError) or "<Code>NotImplemented</Code>" in text:
            return without_conditional_put(self.shown)
        return None

    def _missing(self) -> LogUnusable:
        return LogUnusable(f"{self.shown} does not exist: create it, or correct the address")


def without_conditional_put(shown: str) -> LogUnusable:
    """Return the refusal of a store that cannot fence writers."""
    return LogUnusable(
        f"{shown} is in an object store that replaces an object although it was asked to create a new one (PUT with If-None-Match: *), so two "
        "nodes could both write one entry: use a service that supports conditional writes"
    )


def open_bucket(address: ObjectAddress, *, seconds: float = SECONDS_TO_ANSWER) -> Bucket:
    """Return the bucket of an address, whose requests take at most so many seconds each. Nothing is asked. A missing folder is made."""
    if address.folder is not None:
        try:
            store: ObjectStore = LocalStore(address.folder, mkdir=True)
        except (BaseError, OSError) as error:
            raise LogUnusable(f"the folder {address.folder} cannot be used: {_why(error)}") from error
        polling = Polling(first_seconds=0.02, longest_seconds=0.25)
        return Bucket(store, str(address), polling=polling, folder=address.folder.resolve())
    config: S3Config = {}
    if address.endpoint is not None:
        config["endpoint"] = address.endpoint
    if address.region is not None:
        config["region"] = address.region
    try:
        store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            config=config,
            client_options={
                "allow_http": (address.endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=_SECONDS_TO_CONNECT),
                "timeout": timedelta(seconds=seconds),
            },
            retry_config={"max_retries": 0},
        )
    except (BaseError, ValueError) as error:
        raise LogUnusable(
            f"{address} cannot be used: {_why(error)}; check the variables AWS_… of the environment"
        ) from error
    return Bucket(store, str(address), polling=Polling(first_seconds=0.1, longest_seconds=1.0))


def open_bucket_for_beats(address: ObjectAddress) -> tuple[Bucket, HeartbeatPace]:
    """Return the bucket for heartbeats, which other requests do not hold up, and how often a node beats there."""
    pace = HeartbeatPace() if address.folder is not None else HeartbeatPace(beat_seconds=1.0, dead_seconds=5.0)
    return open_bucket(address, seconds=_SECONDS_TO_RECORD_A_BEAT), pace


def _is_about_the_bucket(error: BaseException) -> bool:
    return "<Code>NoSuchBucket</Code>" in str(error)


def _why(error: BaseException) -> str:
    """Return what the store says, without the details of the request."""
    text = str(error)
    if found := _CODE.search(text):
        return f"{found[1]}: {found[2]}" if found[2] else found[1]
    return " ".join(text.partition("\n")[0].split())[:_MOST_TEXT] or type(error).__name__


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
