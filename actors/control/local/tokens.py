"""The named tokens of a cluster, for a client in this process."""

from __future__ import annotations

from actors.control.local.registry import LocalRegistry
from actors.rows.audit import ControlAction


class LocalTokens(LocalRegistry):
    """Creates and revokes the tokens that the nodes of a cluster have in common. Each change is in force on every living node on
    return; :class:`actors.TooSlowError` names the nodes that do not apply it yet."""

    async def create_token(self, name: str, scope: str, digest: str, reason: str) -> None:
        """Make a token valid, by its hash. Raises :class:`actors.ConflictError` and :class:`actors.LimitExceededError`."""
        act = ControlAction(verb="create-token", target=f"token:{name}", detail=f"scope {scope}", reason=reason)
        await self.ask_registry(
            "create_token", act, name=name, scope=scope, digest=digest, reason=reason, by=self.who.by
        )

    async def revoke_token(self, name: str, reason: str) -> None:
        """Revoke a token. Raises :class:`actors.NotFoundError`."""
        act = ControlAction(verb="revoke-token", target=f"token:{name}", reason=reason)
        await self.ask_registry("revoke_token", act, name=name, reason=reason, by=self.who.by)
