"""Follows a bulk job to its end, and gives the exit code of its result."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from actors.core.jobs import JobState
from cli.exit_codes import Exit
from cli.render.output import err, is_coloured, out, out_json, out_json_line
from cli.render.text_table import coloured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.control.jobs import JobHandle
    from actors.model.job_info import JobInfo


_LOOK_SECONDS = 0.2


async def follow_job(job: JobHandle) -> JobInfo:
    """Show the progress of a job until it has ended. The job does not depend on this process."""
    info = await job.info()
    try:
        with progress(info.total, is_shown=True) as advance:
            while info.state in (JobState.SELECTING, JobState.RUNNING):
                await trio.sleep(_LOOK_SECONDS)
                info = await job.info()
                advance(info.done, info.total)
    except KeyboardInterrupt:
        err(f"the job continues: 'playhead jobs follow {job.id}' follows it, 'playhead jobs cancel {job.id}' stops it")
        raise
    return info


def report(info: JobInfo, output: str) -> Exit:
    """Print the result of a job. Returns its exit code."""
    if output in ("json", "jsonl"):
        (out_json if output == "json" else out_json_line)(info)
    elif output == "id":
        out(info.id)
    else:
        state = coloured(info.state.value) if is_coloured() else info.state.value
        refused = sum(info.refused.values())
        out(f"{info.id}  {state}  {info.changed} changed, {info.unchanged} unchanged, {refused} refused")
    for error, count in sorted(info.refused.items()):
        err(f"{count} refused: {error}; 'playhead jobs items {info.id} --refused' lists them")
    if info.failure:
        err(info.failure)
    if info.state is JobState.DONE and not info.done:
        err("nothing matched when the job ran; nothing was done")
        return Exit.NOT_FOUND
    if info.state is not JobState.DONE:
        return Exit.PARTIAL if info.done else Exit.FAILED
    if not info.refused:
        return Exit.DONE
    return Exit.PARTIAL if info.changed or info.unchanged else Exit.REFUSED


@contextmanager
def progress(total: int, *, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr, if it is a terminal."""
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
