"""The client that the steps of built-in objects use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.contexts import current_step
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from actors.model.inside import InsideClient


def current_client() -> InsideClient:
    """Return the client of the running step. Only steps of built-in objects call this."""
    step = current_step.get()
    if step is None:
        raise BrokenInvariant("current_client() was called outside a step of a built-in object")
    return step.client
