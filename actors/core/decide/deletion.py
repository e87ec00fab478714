"""Decides on the deletion of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import ConflictError, ErrorCode

if TYPE_CHECKING:
    from actors.core.state import ObjectState


def check_deletion(state: ObjectState | None, service: str, key: str) -> bool:
    """Report whether the object exists, so that there is something to delete.

    Raises :class:`actors.ConflictError` while an invocation of it has not ended: its handler would continue with fields that are gone.
    There is no event of a deletion, because the log that would have it is deleted as well; the audit log has the deletion.
    """
    if state is None or (state.service, state.key) != (service, key):
        return False  # another object may have the same stream by accident
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
