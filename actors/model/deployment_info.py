"""Public records of deployments and their code."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class DeploymentInfo:
    """A deployment. ``open_invocations`` counts the invocations on it that have not completed; at 0 it is drained.

    ``is_latest``: new invocations run on it. ``is_served``: the process runs it from its own files. ``is_loaded``: its code is in
    memory. ``passed_over`` says who moved ``latest`` away from it, and why.
    """

    id: str
    entries: tuple[str, ...]
    files: int
    size: int
    registered_at: float
    registered_by: str
    is_latest: bool
    is_served: bool
    is_loaded: bool
    passed_over: str = ""
    open_invocations: int = 0


@attrs.frozen(kw_only=True)
class CodeFile:
    """A file of a deployment: its path as imports see it (``shop/orders.py``), its size in bytes, and its SHA-256.

    ``text`` is its content, if one file was requested and is UTF-8 text.
    """

    path: str
    size: int
    digest: str
    text: str | None = None
