"""The result of a check of a store."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class FsckFinding:
    """A problem: its place and its description. ``can_be_rebuilt`` says that the events suffice to fix it. ``remedy`` is the fix
    if it is neither a rebuild nor a backup."""

    where: str
    what: str
    can_be_rebuilt: bool
    remedy: str = ""


@attrs.frozen(kw_only=True)
class FsckReport:
    """The amount of checked data, and the findings."""

    objects: int
    events: int
    invocations: int
    findings: tuple[FsckFinding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether there are no findings."""
        return not self.findings
