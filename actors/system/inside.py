"""The client that the steps of built-in objects use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.contexts import current_step
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from actors.model.inside import InsideClient


def current_client() -> InsideClient:
    """The client of the running step."""
    step = current_step.get()
    if step is None:
        raise BrokenInvariant("only the steps of built-in objects use it")
    return step.client
