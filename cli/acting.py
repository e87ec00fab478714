"""One verb for one invocation, for several, or for all that a condition fits: what is shown before, meanwhile and after.

Invocations that are named by their ids are asked one after the other, by this process. All that a condition fits are asked by
a job in the server, after a look at how many they are and a word of consent: it goes on when this process does not.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import click
import trio

from actors.core.jobs import JobState
from actors.errors import Refused
from actors.model.handles import Restarted
from cli.exits import Exit, exit_code_of
from cli.listing import coloured
from cli.output import counted, emit, emit_json, emit_json_line, is_coloured, remark, safe
from cli.selecting import refuse_unknown
from cli.source import Live, live
from cli.tables import INVOCATIONS
from journal.errors import JournalError
from journal.events import Answer, Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.control.client import Client
    from actors.control.jobs import JobHandle, Selection
    from actors.model.handles import InvocationHandle
    from actors.model.job_info import JobInfo, JobPreview
    from cli.selecting import InvocationSelector
    from cli.source import Where

Act = Callable[["InvocationHandle[Any]"], Awaitable[Answer | Restarted]]
Start = Callable[["Selection"], Awaitable["JobHandle"]]

_SAMPLE = 5
_LOOK_SECONDS = 0.2
_SHOW_PROGRESS_FROM = 10


@attrs.frozen(kw_only=True)
class How:
    """How a verb is asked for, whichever it is."""

    output: str = "table"
    is_dry: bool = False
    is_sure: bool = False
    is_detached: bool = False
    rate: float | None = None


@attrs.frozen(kw_only=True)
class Result:
    """What became of one invocation: what the verb changed, or why not."""

    id: InvocationId
    changed: bool = False
    before: Status | None = None
    after: Status | None = None
    new_invocation_id: InvocationId | None = None
    error: str = ""
    message: str = ""


def steer(selected: InvocationSelector, where: Where, how: How, act: Act, start: Start) -> None:
    """Do it; ends the command with an exit code that says whether all of it could be done."""

    async def run() -> Exit:
        async with live(where) as client:
            if not selected.is_by_ids:
                return await _by_job(client, selected, how, start)
            return await _one_by_one(client, selected.ids, how, act)

    code = trio.run(run)
    if code is not Exit.DONE:
        raise click.exceptions.Exit(code)


# One by one.


async def _one_by_one(client: Client, ids: tuple[InvocationId, ...], how: How, act: Act) -> Exit:
    if not ids:
        remark("no ids on stdin; nothing to do")
        return Exit.NOT_FOUND
    if how.is_dry:
        INVOCATIONS.show([await client.invocation(of).info() for of in ids], how.output)
        remark(f"{counted(len(ids), 'invocation')} would be asked; nothing was done")
        return Exit.DONE
    results: list[Result] = []
    errors: list[Exception] = []
    with _progress(len(ids), is_shown=len(ids) >= _SHOW_PROGRESS_FROM) as advance:
        for done, of in enumerate(ids, 1):
            result, error = await _asked(client.invocation(of), act)
            results.append(result)
            errors += [] if error is None else [error]
            if how.output != "json":
                _show(result, how.output)
            advance(done, len(ids))
    if how.output == "json":
        emit_json(results)
    if not errors:
        return Exit.DONE
    return Exit.PARTIAL if len(errors) < len(ids) else exit_code_of(errors[0])


async def _asked(handle: InvocationHandle[Any], act: Act) -> tuple[Result, Exception | None]:
    try:
        answer = await act(handle)
    except (Refused, JournalError) as error:
        remark(about(handle.id, error))
        return Result(id=handle.id, error=type(error).__name__, message=str(error)), error
    successor = None if answer.successor is None else answer.successor.invocation_id
    return Result(
        id=handle.id,
        changed=answer.changed,
        before=answer.before,
        after=answer.after,
        new_invocation_id=successor,
    ), None


def about(of: str, error: Exception) -> str:
    """What an error says, with the id that it is about: most name it themselves."""
    text = str(error)
    return text if of in text else f"{of}: {text}"


def _show(result: Result, output: str) -> None:
    if output == "jsonl":
        emit_json_line(result)
    elif output == "id":
        if not result.error:
            emit(result.new_invocation_id or result.id)
    elif not result.error:
        change = "changed" if result.changed else "unchanged"
        new = "" if result.new_invocation_id is None else f"  as {result.new_invocation_id}"
        emit(f"{result.id}  {change}  {_status(result.before)} -> {_status(result.after)}{new}")


def _status(status: Status | None) -> str:
    return "?" if status is None else status.value


# By a job.


async def _by_job(client: Client, selected: InvocationSelector, how: How, start: Start) -> Exit:
    source = Live(client)
    condition = await selected.predicate(source)
    selection = client.jobs.where(condition, rate=how.rate)
    preview = await selection.preview(sample=_SAMPLE)
    if preview.count == 0 and selected.named is not None:
        await refuse_unknown(source, selected.named)
    remark(f"{counted(preview.count, 'invocation')} where {' '.join(condition.splitlines())}")
    if how.is_dry:
        if how.output == "json":
            emit_json(preview)
        else:
            INVOCATIONS.show(preview.sample, how.output)
            _say_how_many_more(preview)
        remark("nothing was done")
        return Exit.NOT_FOUND if preview.count == 0 else Exit.DONE
    if preview.count == 0:
        remark("nothing was done")
        return Exit.NOT_FOUND
    for line in INVOCATIONS.lines(preview.sample):
        click.echo(line, err=True)
    _say_how_many_more(preview)
    if not _is_agreed(preview.count, how):
        return Exit.REFUSED
    job = await start(selection)
    if how.is_detached:
        emit(job.id)
        return Exit.DONE
    return report(await follow_job(job), how.output)


def _say_how_many_more(preview: JobPreview) -> None:
    if preview.count > len(preview.sample):
        remark(f"… and {preview.count - len(preview.sample):,} more")


def _is_agreed(count: int, how: How) -> bool:
    if how.is_sure:
        return True
    if not sys.stdin.isatty():
        remark("stdin is not a terminal: pass --yes to act, or --dry-run to preview. Nothing was done")
        return False
    if click.confirm(f"Ask {counted(count, 'invocation')}?", err=True):
        return True
    remark("nothing was done")
    return False


async def follow_job(job: JobHandle) -> JobInfo:
    """Show how a job goes on, until it has ended. It does not need anybody to watch."""
    info = await job.info()
    try:
        with _progress(info.total, is_shown=True) as advance:
            while info.state in (JobState.SELECTING, JobState.RUNNING):
                await trio.sleep(_LOOK_SECONDS)
                info = await job.info()
                advance(info.done, info.total)
    except KeyboardInterrupt:
        remark(f"the job continues: 'playhead jobs follow {job.id}' shows it, 'playhead jobs cancel {job.id}' stops it")
        raise
    return info


def report(info: JobInfo, output: str) -> Exit:
    """What a job came to, and the exit code that says so."""
    if output in ("json", "jsonl"):
        (emit_json if output == "json" else emit_json_line)(info)
    elif output == "id":
        emit(info.id)
    else:
        state = coloured(info.state.value) if is_coloured() else info.state.value
        refused = sum(info.refused.values())
        emit(f"{info.id}  {state}  {info.changed} changed, {info.unchanged} unchanged, {refused} refused")
    for error, count in sorted(info.refused.items()):
        remark(f"{count} refused: {error}; 'playhead jobs items {info.id} --refused' names them")
    if info.failure:
        remark(safe(info.failure))
    if info.state is not JobState.DONE:
        return Exit.PARTIAL if info.done else Exit.FAILED
    if not info.refused:
        return Exit.DONE
    return Exit.PARTIAL if info.changed or info.unchanged else Exit.REFUSED


@contextmanager
def _progress(total: int, *, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, where a person sees it."""
    if not (is_shown and sys.stderr.isatty()):
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=total or None)
        yield lambda done, of: bar.update(task, completed=done, total=of or None)
