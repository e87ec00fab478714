"""The tokens of a data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.http.routes import Scope
from actors.http.tokens import TokenBook
from cli.listing import Column, Table
from cli.output import emit, remark, when
from journal.datadir import DataDirectory

if TYPE_CHECKING:
    from pathlib import Path


@attrs.frozen(kw_only=True)
class Shown:
    """A token as it is shown: never its hash."""

    name: str
    scope: Scope
    created_at: float


TOKENS = Table[Shown](
    id_of=lambda token: token.name,
    columns=(
        Column("NAME", lambda token: token.name),
        Column("SCOPE", lambda token: token.scope.value),
        Column("CREATED", lambda token: when(token.created_at)),
    ),
)


def _book(data: Path) -> TokenBook:
    DataDirectory(data).identity()  # raises where there is no store, so that a mistyped path gets no tokens
    return TokenBook(data)


def create(name: str, scope: str, data: Path) -> None:
    """Make one and print it."""
    emit(_book(data).create(name, Scope(scope)))
    remark(f"the token {name!r} has the scope {scope}; send it as 'Authorization: Bearer …', or set PLAYHEAD_TOKEN")


def show_all(data: Path, output: str) -> None:
    """List those that have names."""
    TOKENS.show([Shown(name=t.name, scope=t.scope, created_at=t.created_at) for t in _book(data).named()], output)


def revoke(name: str, data: Path) -> None:
    """Take one back."""
    _book(data).revoke(name)
    remark(f"the token {name!r} is revoked")
