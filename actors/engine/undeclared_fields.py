"""Logs the stored fields that the code of an object does not declare, so that no value is out of reach without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.field_names import FieldNames
from actors.values.names import is_system
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from actors.model.definitions import Definition

log = SafeLogger(__name__)


class UndeclaredFields:
    """The fields that an engine has found and logged. Each field of a class is logged once, with the first object that has it, because
    a class may have a million objects."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str, str]] = set()

    def look(self, state: ObjectState, definition: Definition) -> None:
        """Log the fields that the object has stored and the code does not declare. Callers look once for each object and definition,
        while both are in memory: ``LoadedObject.looked_at_for``."""
        stored = state.field_names
        if stored <= definition.fields.keys() or is_system(state.service):
            return
        names = FieldNames.of(definition.field_aliases, stored)
        for field in names.undeclared(definition.fields, stored):
            known = definition.name, field, definition.deployment
            if known not in self._logged:
                self._logged.add(known)
                self._warn(state, definition, field)

    def _warn(self, state: ObjectState, definition: Definition, field: str) -> None:
        code = f"{definition.name} of {definition.deployment}" if definition.deployment else definition.name
        log.warning(
            "%s has stored the field %r, which %s does not declare: the value stays stored and no handler reads it. If the field was "
            "renamed, add its old name to the new one: actors.field(…, aliases=(%r,)). Logged once for all objects of the class; "
            "'select * from sys_state where is_declared = 0' lists them",
            state.name,
            field,
            code,
            field,
        )
