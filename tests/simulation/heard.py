"""What clients of a storm were told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from journal.ids import InvocationId


@attrs.define(eq=False)
class Told:
    """An invocation whose acceptance a client was told of. ``is_loose``: it may be killed, restarted and purged, since nobody's
    money is in it and no key of a request finds it."""

    id: InvocationId
    kind: str
    number: int
    is_loose: bool = True


@attrs.define(eq=False)
class Said:
    """A verb that was answered: ``changed`` is what the answer said."""

    of: InvocationId
    verb: str
    changed: bool
    number: int = 0
    by_job: bool = False
