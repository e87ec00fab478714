# Written by `python -m tests.typing.stubs` from the async classes; do not edit.
import os
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar, overload

from actors.model.checks import CheckReport
from actors.model.explain import WaitReason
from actors.model.history import JournalEntry
from actors.model.info import InvocationInfo, OutcomeInfo
from actors.model.output import OutputChunk
from actors.model.restart_result import RestartResult
from actors.values.amounts import Amount
from actors.values.arguments import Instant, Seconds
from actors.values.snapshot import Snapshot
from journal.events import Children, ControlResult, PauseMode, Stop
from journal.ids import InvocationId

R_co = TypeVar("R_co", covariant=True)

class InvocationHandle(Generic[R_co]):
    id: InvocationId
    def result(self) -> R_co: ...
    def outcome(self) -> OutcomeInfo: ...
    def cancel(
        self,
        *,
        reason: str = "",
        children: str | Children = ...,
        kill_after: Seconds | None = None,
        idempotency_key: str | None = None,
    ) -> ControlResult: ...
    def kill(self, *, reason: str = "", idempotency_key: str | None = None) -> ControlResult: ...
    def pause(
        self, *, reason: str = "", mode: str | PauseMode = ..., idempotency_key: str | None = None
    ) -> ControlResult: ...
    @overload
    def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        budget: Mapping[str, Amount] | None = None,
        dry_run: Literal[False] = False,
        check: bool = True,
        idempotency_key: str | None = None,
    ) -> ControlResult: ...
    @overload
    def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        dry_run: Literal[True],
        check: bool = True,
        idempotency_key: str | None = None,
    ) -> CheckReport: ...
    def check(
        self, *, deployment: str = "latest", app: str | os.PathLike[str] | Snapshot | None = None
    ) -> CheckReport: ...
    def restart(
        self,
        from_step: str | None = None,
        *,
        input: Any = None,
        stop: str | Stop | None = None,
        rewind_state: bool = False,
        hand_over: bool = True,
        again: bool = False,
        deployment: str = "keep",
        dry_run: bool = False,
        check: bool = True,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> RestartResult: ...
    def signal(
        self, name: str, value: Any = None, *, error: str | None = None, idempotency_key: str | None = None
    ) -> ControlResult: ...
    def reschedule(
        self,
        *,
        at: Instant | None = None,
        delay: Seconds | None = None,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> ControlResult: ...
    def purge(self) -> ControlResult: ...
    def info(self) -> InvocationInfo: ...
    def why(self) -> tuple[WaitReason, ...]: ...
    def events(self, *, after: int = 0) -> Iterator[JournalEntry]: ...
    def follow(self, *, after: int = 0) -> Iterator[JournalEntry]: ...
    def output(self, *, after: int = 0, stream: str | None = "") -> Iterator[Any]: ...
    def chunks(
        self, *, after: int = 0, live: bool = False, follow: bool = True, stream: str | None = ""
    ) -> Iterator[OutputChunk]: ...
