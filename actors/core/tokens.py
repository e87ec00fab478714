"""Named API tokens as data, for the nodes of a cluster, which have them in common."""

from __future__ import annotations

import attrs

MAX_TOKENS = 1_000
"""The number of named tokens that can be valid at a time."""


@attrs.frozen(kw_only=True)
class TokenRecord:
    """A named token: its scope, its hash, and when it was made. The token itself is stored nowhere."""

    name: str
    scope: str
    digest: str
    created_at: float
