"""The report of a try of a step: its attributes, and the amounts that it has used up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import attrs
import msgspec

from actors.model.verbs.attributes import check_attribute_count
from actors.values.amounts import added, check_quantities

if TYPE_CHECKING:
    from actors.values.amounts import Amounts


class Said(TypedDict, total=False):
    """The report in the form of the command that ends the try."""

    attributes: bytes
    spent: Amounts


NOTHING_SAID: Said = {}


@attrs.define(eq=False)
class TryReport:
    """The report of one try of the step with this name."""

    name: str
    attributes: dict[str, Any] = attrs.field(factory=dict)
    spent: Amounts = attrs.field(factory=dict)

    def describe(self, attributes: dict[str, Any]) -> None:
        """Add attributes. Raises :class:`LimitExceededError`."""
        joined = {**self.attributes, **attributes}
        check_attribute_count(len(joined))
        self.attributes = joined

    def add_spent(self, spent: Amounts) -> None:
        """Add to the amounts that the try has used up. Raises :class:`LimitExceededError`."""
        sums = added(self.spent, spent)
        check_quantities(sums, f"step {self.name!r}")
        self.spent = sums

    @property
    def recorded(self) -> Said:
        """The report, for the command that ends the try. The attributes are JSON; empty if there are none."""
        attributes = msgspec.json.encode(self.attributes) if self.attributes else b""
        return {"attributes": attributes, "spent": self.spent}
