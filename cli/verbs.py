"""Applies a verb to invocations, with the messages before, during and after.

Invocations named by id are processed one by one in this process. For a condition, a job in the server does it, after a preview
and a confirmation; it continues when this process ends.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs
import click

from actors.errors import RefusedError
from actors.errors.base import code_of
from cli.exit_codes import Exit, exit_code_of
from cli.jobs import follow_job, progress, report
from cli.render.output import counted, err, out, out_json, out_json_line
from cli.render.tables import INVOCATIONS
from cli.run import ask
from cli.selection import refuse_unknown
from journal.errors import JournalError

if TYPE_CHECKING:
    from actors.control.client import Client
    from actors.model.job_info import JobPreview
    from actors.model.verb_options import VerbOptions
    from cli.backend import ServerOptions
    from cli.selection import InvocationSelector
    from journal.events import Status
    from journal.ids import InvocationId


_SAMPLE = 5
_SHOW_PROGRESS_FROM = 10


@attrs.frozen(kw_only=True)
class ExecOptions:
    """The options for applying a verb."""

    output: str = "table"
    is_dry: bool = False
    is_sure: bool = False
    is_detached: bool = False
    rate: float | None = None


@attrs.frozen(kw_only=True)
class Result:
    """The result for one invocation: its change, or its error."""

    id: InvocationId
    changed: bool = False
    before: Status | None = None
    after: Status | None = None
    new_invocation_id: InvocationId | None = None
    error: str = ""
    message: str = ""


def execute(selected: InvocationSelector, server: ServerOptions, options: ExecOptions, verb: VerbOptions) -> None:
    """Apply the verb to every selected invocation. Ends the command with an exit code that says whether all succeeded."""

    async def carry_out(client: Client) -> Exit:
        if not selected.is_by_ids:
            return await _by_job(client, selected, options, verb)
        return await _one_by_one(client, selected.ids, options, verb)

    code = ask(server, carry_out)
    if code is not Exit.DONE:
        raise click.exceptions.Exit(code)


# One by one.


async def _one_by_one(client: Client, ids: tuple[InvocationId, ...], options: ExecOptions, verb: VerbOptions) -> Exit:
    if not ids:
        err("no ids on stdin; nothing to do")
        return Exit.NOT_FOUND
    if options.is_dry:
        INVOCATIONS.show([await client.invocation(of).info() for of in ids], options.output)
        err(f"{counted(len(ids), 'invocation')} would be changed; nothing was done")
        return Exit.DONE
    results: list[Result] = []
    errors: list[Exception] = []
    with progress(len(ids), is_shown=len(ids) >= _SHOW_PROGRESS_FROM) as advance:
        for done, of in enumerate(ids, 1):
            result, error = await _asked(client, of, verb)
            results.append(result)
            errors += [] if error is None else [error]
            if options.output != "json":
                _show(result, options.output)
            advance(done, len(ids))
    if options.output == "json":
        out_json(results)
    if not errors:
        return Exit.DONE
    return Exit.PARTIAL if len(errors) < len(ids) else exit_code_of(errors[0])


async def _asked(client: Client, of: InvocationId, verb: VerbOptions) -> tuple[Result, Exception | None]:
    try:
        answer = await client.execute(of, verb)
    except (RefusedError, JournalError) as error:
        err(about(of, error))
        return Result(id=of, error=code_of(error).value, message=str(error)), error
    successor = None if answer.successor is None else answer.successor.invocation_id
    return Result(
        id=of,
        changed=answer.changed,
        before=answer.before,
        after=answer.after,
        new_invocation_id=successor,
    ), None


def about(of: str, error: Exception) -> str:
    """Return the text of an error, with the invocation's id if the text does not contain it."""
    text = str(error)
    return text if of in text else f"{of}: {text}"


def _show(result: Result, output: str) -> None:
    if output == "jsonl":
        out_json_line(result)
    elif output == "id":
        if not result.error:
            out(result.new_invocation_id or result.id)
    elif not result.error:
        change = "changed" if result.changed else "unchanged"
        new = "" if result.new_invocation_id is None else f"  as {result.new_invocation_id}"
        out(f"{result.id}  {change}  {_statuses(result.before, result.after)}{new}")


def _statuses(before: Status | None, after: Status | None) -> str:
    """Return the arrow between two statuses; a verb may change an invocation and not its status, as a signal does."""
    words = ["?" if status is None else status.value for status in (before, after)]
    return words[0] if before == after else " -> ".join(words)


# By a job.


async def _by_job(client: Client, selected: InvocationSelector, options: ExecOptions, verb: VerbOptions) -> Exit:
    condition = await selected.predicate(client)
    selection = client.jobs.where(condition, rate=options.rate)
    preview = await selection.preview(sample=_SAMPLE)
    if preview.count == 0 and selected.named is not None:
        await refuse_unknown(client, selected.named)
    err(f"{counted(preview.count, 'invocation')} where {' '.join(condition.splitlines())}")
    if options.is_dry:
        if options.output == "json":
            out_json(preview)
        else:
            INVOCATIONS.show(preview.sample, options.output)
            _say_how_many_more(preview)
        err("nothing was done")
        return Exit.NOT_FOUND if preview.count == 0 else Exit.DONE
    if preview.count == 0:
        err("nothing was done")
        return Exit.NOT_FOUND
    for line in INVOCATIONS.lines(preview.sample):
        click.echo(line, err=True)
    _say_how_many_more(preview)
    if not _is_agreed(preview.count, options):
        return Exit.REFUSED
    job = await selection.ask(verb)
    if options.is_detached:
        out(job.id)
        return Exit.DONE
    return report(await follow_job(job), options.output)


def _say_how_many_more(preview: JobPreview) -> None:
    if preview.count > len(preview.sample):
        err(f"… and {preview.count - len(preview.sample):,} more")


def _is_agreed(count: int, options: ExecOptions) -> bool:
    if options.is_sure:
        return True
    if not sys.stdin.isatty():
        err("stdin is not a terminal: pass --yes to act, or --dry-run to preview. Nothing was done")
        return False
    if click.confirm(f"Change {counted(count, 'invocation')}?", err=True):
        return True
    err("nothing was done")
    return False
