"""Public records of deployments and their code."""

from __future__ import annotations

from typing import Annotated

import attrs

from actors.core.deployments import Deployment
from journal.fields import described


@attrs.frozen(kw_only=True)
class DeploymentInfo(Deployment):
    """A deployment. ``open_invocations`` counts the invocations on it that have not completed; at 0 it is drained.

    ``is_latest``: new invocations run on it. ``is_served``: the process runs it from its own files. ``is_loaded``: its code is in
    memory. ``passed_over`` says who moved ``latest`` away from it, and why.
    """

    is_latest: Annotated[bool, described("whether new invocations run on it")]
    is_served: bool
    is_loaded: bool
    open_invocations: Annotated[int, described("the number of open invocations on it")] = 0


@attrs.frozen(kw_only=True)
class CodeFile:
    """A file of a deployment: its path as imports see it (``shop/orders.py``), its size in bytes, and its SHA-256.

    ``text`` is its content, if one file was requested and is UTF-8 text.
    """

    path: str
    size: int
    digest: str
    text: str | None = None
