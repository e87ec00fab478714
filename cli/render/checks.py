"""The result of replaying invocations on other code, for people or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.checks import OperationStatus
from cli.render.output import err, out, out_json, out_table, safe
from cli.targets import written_target

if TYPE_CHECKING:
    from actors.model.checks import CheckReport, CheckSummary


def show_check(answer: CheckSummary | list[CheckReport], output: str) -> None:
    """Print the reports of single invocations, or the summary of many."""
    if output == "json":
        out_json(answer)
    elif isinstance(answer, list):
        for report in answer:
            _show_report(report)
    else:
        _show_summary(answer)


def _show_summary(summary: CheckSummary) -> None:
    out_table(
        ("COUNT", "VERDICT", "FOR EXAMPLE", "WHAT"),
        [(str(c.count), c.verdict.value, c.samples[0], c.summary) for c in summary.cohorts],
    )
    for of, why in summary.skipped:
        err(f"{of} could not be checked: {why}")
    if summary.skipped_count > len(summary.skipped):
        err(f"{summary.skipped_count - len(summary.skipped)} more could not be checked")
    if not summary.is_complete:
        err(f"only the newest {summary.checked:,} matches were replayed; raise --limit, or omit it to replay all")


def _show_report(report: CheckReport) -> None:
    out(safe(f"{report.invocation_id}  {written_target(report.target)} on {report.deployment}: {report.summary}"))
    for operation in report.operations:
        if operation.fate is not OperationStatus.KEPT:
            what = ", ".join(operation.differences) or operation.attempted
            out(safe(f"  {operation.fate.value:<8}{what}"))
    if report.divergence is None:
        return
    out(safe(f"  recorded:  {report.divergence.recorded}"))
    out(safe(f"  attempted: {report.divergence.attempted}"))
    for field in report.divergence.fields:
        out(safe(f"  field {field.field}: {field.recorded!r} -> {field.attempted!r}"))
