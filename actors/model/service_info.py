"""The public records of the classes that are served, of their handlers and their fields."""

from __future__ import annotations

from typing import Any

import attrs

from actors.model.fields import FieldKind
from journal.events import Kind, Mode


@attrs.frozen(kw_only=True)
class HandlerInfo:
    """A served handler: its name, the JSON schemas of its input and output (empty: anything), and its required parameters. A ``private`` handler
    cannot be called over HTTP. ``webhook`` is the signature scheme for external services that may call it; empty if none may."""

    name: str
    mode: Mode
    parameters: dict[str, Any]
    aliases: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    result: Any = None
    doc: str = ""
    private: bool = False
    webhook: str = ""


@attrs.frozen(kw_only=True)
class FieldInfo:
    """A field of a class: how it is stored, the JSON schema of its value or items (empty: anything) and of a map's keys, and the
    default of a plain field. ``aliases`` are its former names."""

    name: str
    kind: FieldKind
    aliases: tuple[str, ...] = ()
    value: Any = None
    key: Any = None
    default: Any = None


@attrs.frozen(kw_only=True)
class ServiceInfo:
    """A served class; or, without ``is_served``, a class that has stored objects and is not in the app; only its
    name and the kind are known."""

    name: str
    kind: Kind
    handlers: tuple[HandlerInfo, ...]
    aliases: tuple[str, ...] = ()
    is_served: bool = True
    fields: tuple[FieldInfo, ...] = ()
    doc: str = ""
