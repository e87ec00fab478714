"""The filter for lists of invocations."""

from __future__ import annotations

import attrs

from actors.values.names import is_system
from journal.events import Status
from journal.rows import InvocationRow


@attrs.frozen(kw_only=True)
class Listing:
    """A filter for invocations. None matches every value. Built-in objects are included only with ``system``, or if named.

    ``where`` is an SQL condition, which ``actors.query.sql`` evaluates.
    """

    status: frozenset[Status] | None = None
    service: str | None = None
    key: str | None = None
    handler: str | None = None
    where: str | None = None
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
        )
