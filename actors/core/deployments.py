"""The rules for registered deployments and for ``latest``, the one that new work runs on. The code itself is elsewhere."""

from __future__ import annotations

from typing import Annotated

import attrs

from actors.errors import ConflictError, ErrorCode, LimitExceededError, NotFoundError, ResourceKind
from journal.fields import described, moment

MAX_DEPLOYMENTS = 1_000
"""The most deployments that can be registered at a time."""


@attrs.frozen(kw_only=True)
class Deployment:
    """The record of a deployment, without its code.

    ``passed_over`` says who moved ``latest`` away from it, and why; serving the deployment again does not make it the
    latest.
    """

    id: Annotated[str, described("its id")]
    entries: Annotated[tuple[str, ...], described("the modules that name the application")]
    files: Annotated[int, described("the number of its files")]
    size: Annotated[int, described("the size of its files in bytes")]
    registered_at: Annotated[float, moment("when it was registered")]
    registered_by: Annotated[str, described("who registered it")]
    passed_over: Annotated[str, described("who made another deployment the latest, and why")] = ""


@attrs.frozen
class DeploymentChange:
    """The result of a request to the registry: whether anything changed, and ``latest`` before and after."""

    changed: bool
    before: str
    after: str


@attrs.frozen
class Deployments:
    """The registered deployments, in order of registration, and ``latest``, which new invocations run on."""

    known: tuple[Deployment, ...] = ()
    latest: str = ""

    def has(self, deployment: str) -> bool:
        """Report whether the deployment is registered."""
        return any(known.id == deployment for known in self.known)

    def find(self, deployment: str) -> Deployment:
        """Return the deployment. Raises :class:`NotFoundError`."""
        for found in self.known:
            if found.id == deployment:
                return found
        raise NotFoundError(
            f"there is no deployment {deployment!r}: it was never registered here, or has been pruned",
            kind=ResourceKind.DEPLOYMENT,
        )

    def served(self, new: Deployment) -> Deployments:
        """Return the deployments after ``new`` is registered and served. It becomes the latest, unless a client has
        moved ``latest`` away from it. Raises :class:`LimitExceededError`."""
        old = next((known for known in self.known if known.id == new.id), None)
        if old is not None:
            return attrs.evolve(self, latest=self.latest if old.passed_over and self.latest else new.id)
        if len(self.known) >= MAX_DEPLOYMENTS:
            raise LimitExceededError(
                f"{len(self.known)} deployments are registered (limit {MAX_DEPLOYMENTS}); prune drained ones",
                limit="deployments",
                maximum=MAX_DEPLOYMENTS,
                found=len(self.known),
                code=ErrorCode.TOO_MANY,
            )
        return Deployments((*self.known, new), new.id)

    def moved(self, to: str, because: str) -> Deployments:
        """Return the deployments after a client has moved ``latest`` to ``to``. Serving the former latest does not
        bring it back. Raises :class:`NotFoundError`."""
        target = self.find(to)
        if target.id == self.latest:
            return self
        noted = {self.latest: because, to: ""}
        known = tuple(attrs.evolve(one, passed_over=noted.get(one.id, one.passed_over)) for one in self.known)
        return Deployments(known, to)

    def pruned(self, deployment: str) -> Deployments:
        """Return the deployments without this one. Raises :class:`NotFoundError`, and :class:`ConflictError` for the
        latest."""
        self.find(deployment)
        if deployment == self.latest:
            raise ConflictError(
                f"{deployment} is the latest, and new invocations run on it; make another one the latest first",
                code=ErrorCode.IN_USE,
            )
        return attrs.evolve(self, known=tuple(one for one in self.known if one.id != deployment))
