"""Named servers: the contexts of ``playhead context``, stored in a file of the user."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import click
import msgspec

VARIABLE = "PLAYHEAD_CONTEXT"


@attrs.frozen(kw_only=True)
class Context:
    """A server, its token, and the file with the certificates to trust."""

    url: str
    token: str | None = None
    ca: str | None = None


@attrs.frozen(kw_only=True)
class Contexts:
    """The named contexts, and the current one."""

    named: dict[str, Context] = attrs.field(factory=dict)
    current: str | None = None

    def find(self, name: str) -> Context:
        """Return the context with this name. Raises :class:`click.UsageError` if there is none."""
        if name not in self.named:
            known = ", ".join(sorted(self.named)) or "none"
            raise click.UsageError(f"there is no context {name!r}; the contexts are: {known}")
        return self.named[name]


def contexts_path() -> Path:
    """Return the path of the file with the contexts."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "playhead" / "contexts.json"


def read_contexts() -> Contexts:
    """Read the contexts, or none if there is no file."""
    path = contexts_path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Contexts)
    except FileNotFoundError:
        return Contexts()
    except ValueError as error:
        raise click.UsageError(f"{path} cannot be read: {error}. Fix or remove it") from None


def write_contexts(contexts: Contexts) -> None:
    """Write the contexts. Only the user can read the file, because it contains tokens."""
    path = contexts_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(contexts)) + b"\n")
    temporary.rename(path)


def context_in_use(name: str | None) -> Context | None:
    """Return the context with this name, else that of ``PLAYHEAD_CONTEXT``, else the current one, else None."""
    wanted = name or os.environ.get(VARIABLE)
    contexts = read_contexts()
    chosen = wanted or contexts.current
    return None if chosen is None else contexts.find(chosen)
