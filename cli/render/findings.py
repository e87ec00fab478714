"""The doctor's findings, for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cli.render.output import counted, out, safe

if TYPE_CHECKING:
    from actors.query.fsck.report import FsckReport


_SHOWN_OF_A_KIND = 20


def show_findings(found: FsckReport) -> None:
    """Print the findings, at most 20 of a kind, and a verdict."""
    shown: Counter[str] = Counter()
    for finding in found.findings:
        kind = finding.where.partition(" ")[0]
        shown[kind] += 1
        if shown[kind] <= _SHOWN_OF_A_KIND:
            out(safe(f"{finding.where}: {finding.what}{f'; {finding.remedy}' if finding.remedy else ''}"))
    for kind, count in shown.items():
        if count > _SHOWN_OF_A_KIND:
            out(f"{kind}: and {count - _SHOWN_OF_A_KIND} more; -o json lists all")
    out(f"{contents_of(found)}: {_verdict(found)}")


def contents_of(found: FsckReport) -> str:
    """Describe the amount of stored data in words."""
    counts = ((found.objects, "object"), (found.events, "event"), (found.invocations, "invocation"))
    return ", ".join(counted(count, noun) for count, noun in counts)


def _verdict(found: FsckReport) -> str:
    if found.is_sound:
        return "no problems found"
    rebuilt = sum(1 for finding in found.findings if finding.can_be_rebuilt)
    told = sum(1 for finding in found.findings if finding.remedy)
    counts = {
        "that --rebuild fixes": rebuilt,
        "with a remedy in the line": told,
        "that need a backup: restore one": len(found.findings) - rebuilt - told,
    }
    return ", ".join(f"{count} findings {of_kind}" for of_kind, count in counts.items() if count)
