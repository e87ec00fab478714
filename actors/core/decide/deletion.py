"""Decides on the deletion of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import ConflictError, ErrorCode

if TYPE_CHECKING:
    from actors.core.state import ObjectState


def check_deletion(state: ObjectState | None, service: str, key: str) -> bool:
    """Report whether the object exists.

    Raises :class:`actors.ConflictError` if an invocation of the object has not ended, because its handler would continue with deleted
    fields. A deletion has no event: it would be in the log that the deletion removes. The audit log records the deletion instead.
    """
    if state is None or (state.service, state.key) != (service, key):
        return False  # another object with the same 64-bit stream number
    for of, invocation in state.invocations.items():
        number = len(state.invocations)
        counted = "1 invocation that has not ended" if number == 1 else f"{number} invocations that have not ended"
        raise ConflictError(
            f"{state.name} has {counted}, such as {of} ({invocation.status.value}); cancel or kill it first",
            status=invocation.status,
            details={"invocation_id": of, "invocations": number},
            code=ErrorCode.NOT_COMPLETED,
        )
    return True
