"""The processors of an engine, and the errors after which a partition gets another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.engine.callers import require_client
from actors.engine.processor import PartitionProcessor
from actors.errors import UnavailableError
from actors.event_loop import own_run
from actors.values.error_groups import leaves_of
from journal.errors import BrokenInvariant, Conflict, Damaged, Fenced, InDoubt, StoreFailed, Unavailable
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from actors.engine.requests import ObjectRequest
    from actors.engine.waiter import Reply
    from journal.events import Outcome
    from journal.ids import InvocationId

    class Receiver(Protocol):
        """Takes requests for a partition."""

        def submit(self, request: ObjectRequest, reply: Reply[Any]) -> None:
            """Take a request, which ``reply`` answers. Raises :class:`actors.errors.UnavailableError`."""
            ...

    class Receivers(Protocol):
        """The receivers of requests by partition."""

        def __getitem__(self, partition: int, /) -> Receiver: ...


log = SafeLogger(__name__)

GIVES_WAY = (InDoubt, Conflict, Fenced, Unavailable, Damaged)
"""After these errors a new processor reads everything again. It finds a damaged object before anything is decided on it."""


class Processors(dict[int, PartitionProcessor]):
    """The processors by partition. A partition lacks one while the engine waits to claim it again, and for good once it has ended."""

    has_ended = False

    def __init__(self) -> None:
        super().__init__()
        self._own_run = own_run()

    def __missing__(self, _: int) -> PartitionProcessor:
        self.check_open()
        raise UnavailableError(
            "the store accepts no writes for now (its disk is full, or it is being reopened); try again later"
        )

    def outcome_waits(self) -> Iterator[tuple[InvocationId, Reply[Outcome]]]:
        """The replies to those who wait for the outcomes of invocations."""
        for processor in self.values():
            for loaded in processor.cache:
                for of, replies in loaded.waiters.items():
                    for reply in replies:
                        yield of, reply

    def check_open(self) -> None:
        """Raise :class:`actors.errors.UnavailableError` once the engine has ended, and :class:`actors.errors.MisuseError` in another
        event loop than the engine's."""
        if self.has_ended:
            raise UnavailableError(
                "the runtime of this client has ended; open the directory again, with actors.open_runtime or actors.open_directory"
            )
        require_client(self._own_run)


def give_way_or_raise(number: int, group: BaseExceptionGroup[BaseException]) -> None:
    """Return if a new processor can recover from the error. Raise any other error, such as a failed disk, and end the
    engine."""
    mendable, rest = group.split(GIVES_WAY)
    if rest is not None:
        raise rest
    if mendable is None:
        raise BrokenInvariant("a processor ended without an error")
    failed, _ = mendable.split(StoreFailed)
    if failed is not None:
        raise failed
    report_end(number, next(leaves_of(mendable)))


def report_end(number: int, error: BaseException) -> None:
    """Log why a partition lost its processor. In a cluster, a partition that another node has claimed is nothing unusual."""
    if isinstance(error, Fenced):
        log.info("partition %d is owned by another node now", number)
    else:
        log.warning("partition %d is claimed again after: %s", number, error)
