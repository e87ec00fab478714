"""The filter for lists of invocations."""

from __future__ import annotations

import attrs

from actors.values.names import is_system
from journal.events import Status
from journal.rows import InvocationRow


@attrs.frozen(kw_only=True)
class Listing:
    """A filter for invocations. None matches every value. Built-in objects are included only with ``system``, or if named.

    ``where`` is an SQL condition, which ``actors.query.sql`` evaluates. With ``tags``, an invocation has all of them.
    """

    status: frozenset[Status] | None = None
    service: str | None = None
    key: str | None = None
    handler: str | None = None
    where: str | None = None
    tags: dict[str, str] | None = None
    limit: int = 100
    system: bool = False

    def wants(self, row: InvocationRow) -> bool:
        """Report whether the invocation matches. Ignores ``where``."""
        target = row.target
        return (
            (self.status is None or row.status in self.status)
            and (not is_system(target.service) if self.service is None and not self.system else True)
            and (self.service is None or target.service == self.service)
            and (self.key is None or target.key == self.key)
            and (self.handler is None or target.handler == self.handler)
            and (self.tags is None or self.tags.items() <= (row.tags or {}).items())
        )
