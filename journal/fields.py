"""Descriptions of the fields of records, in their annotations: JSON schemas and SQL columns are made from them.

::

    created_at: Annotated[float, moment("when it was accepted")]
"""

from __future__ import annotations

import msgspec

MOMENT = "moment"
"""The key in ``extra`` of a description that marks a time in wall seconds."""


def described(about: str) -> msgspec.Meta:
    """The description of a field."""
    return msgspec.Meta(description=about)


def moment(about: str) -> msgspec.Meta:
    """The description of a field that is a time in wall seconds."""
    return msgspec.Meta(description=about, extra={MOMENT: True})
