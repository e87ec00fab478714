"""A recorded invocation, with the data for its replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from actors.rows.items import ObjectItems
    from journal.events import Recorded
    from journal.rows import InvocationRow


@attrs.frozen(kw_only=True)
class RecordedInvocation:
    """An invocation with its history, and its object as it was when the invocation began (None if it has not begun)."""

    row: InvocationRow
    history: list[Recorded]
    state: ObjectState | None
    items: ObjectItems | None
