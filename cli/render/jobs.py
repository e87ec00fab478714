"""A bulk job as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.render.output import when
from cli.render.text_table import facts_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.job_info import JobInfo


def job_lines(info: JobInfo) -> Iterator[str]:
    """Return the facts about a job, one per line."""
    refused = ", ".join(f"{count} {error}" for error, count in sorted(info.refused.items()))
    facts: list[tuple[str, Any]] = [
        ("id", info.id),
        ("state", info.state.value),
        ("verb", info.verb.value),
        ("which", info.which),
        ("reason", info.options.get("reason", "")),
        ("started", f"{when(info.started_at)} by {info.started_by}"),
        ("ended", when(info.ended_at)),
        ("matched", info.matched),
        ("done", f"{info.done} of {info.total}"),
        ("changed", info.changed),
        ("unchanged", info.unchanged),
        ("refused", refused),
        ("failure", info.failure),
    ]
    return facts_lines(facts)
