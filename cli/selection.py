"""Selects invocations: by ids, ids from stdin, a service, key or handler, or an SQL condition."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs
import click

from actors.errors import ResourceKind
from cli.targets import NamedTarget, parse_selection
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.control.client import Client
    from actors.model.info import InvocationInfo
    from actors.model.service_info import ServiceInfo
    from journal.events import Kind

_ID = "inv_"


@attrs.frozen(kw_only=True)
class InvocationSelector:
    """Ids, or what matches all of a service, key or handler by name, a condition, and tags. ``among`` narrows a selection that is
    not by ids."""

    ids: tuple[InvocationId, ...] = ()
    named: NamedTarget | None = None
    condition: str | None = None
    tags: dict[str, str] | None = None
    among: str | None = None

    @property
    def is_by_ids(self) -> bool:
        """Whether the selection is by ids."""
        return self.named is None and self.condition is None and self.tags is None

    async def predicate(self, client: Client) -> str:
        """Return the SQL condition of the selection.

        Raises :class:`actors.NotFoundError` as :func:`resolved` does, and :class:`actors.InvalidArgumentError` for an invalid
        condition.
        """
        parts: list[str] = []
        if self.named is not None:
            named = await resolved(client, self.named)
            services, handlers = await _names_of(client, named)
            parts = [_one_of("service", services)]
            parts += [] if named.key is None else [_one_of("key", (named.key,))]
            parts += [_one_of("handler", handlers)] if handlers else []
        if self.condition is not None:
            await _check(client, self.condition)
            end = "\n" if "--" in self.condition else ""  # the line break ends an SQL comment
            parts.append(f"({self.condition}{end})")
        parts += [_has_tag(name, value) for name, value in (self.tags or {}).items()]
        return " and ".join([*parts, *([self.among] if self.among is not None else [])])


def select(
    words: tuple[str, ...],
    condition: str | None = None,
    tags: dict[str, str] | None = None,
    among: str | None = None,
) -> InvocationSelector:
    """Parse the selection of a command line. ``among`` is a condition that is added to every selection that is not by
    ids.
    """
    if not words and condition is None and tags is None:
        raise click.UsageError(
            "pass one of: ids, '-' for ids from stdin, Service[/key][/handler], --where CONDITION, or --tag NAME=VALUE"
        )
    named = [word for word in words if not _is_id(word)]
    if named or condition is not None or tags is not None:
        if len(words) > 1 or (words and not named):
            raise click.UsageError("pass either ids, or one Service[/key][/handler] with --where and --tag")
        by_name = parse_selection(named[0]) if named else None
        return InvocationSelector(named=by_name, condition=condition, tags=tags, among=among)
    return InvocationSelector(ids=tuple(dict.fromkeys(_ids(words))))


def _is_id(word: str) -> bool:
    return word == "-" or word.startswith(_ID)


def _ids(words: Iterable[str]) -> Iterator[InvocationId]:
    for word in words:
        yield from map(parse_invocation_id, sys.stdin.read().split() if word == "-" else (word,))


def _one_of(column: str, texts: tuple[str, ...]) -> str:
    if len(texts) == 1:
        return f"{column} = {_quoted(texts[0])}"
    return f"{column} in ({', '.join(map(_quoted, texts))})"


def _has_tag(name: str, value: str) -> str:
    found = f"select invocation_id from sys_tag where name = {_quoted(name)} and value = {_quoted(value)}"  # noqa: S608 - quoted
    return f"id in ({found})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def _check(client: Client, condition: str) -> None:
    """Refuse a condition that is not valid by itself. Joined with others, it could select invocations that they
    exclude.
    """
    await client.invocations(where=condition, limit=1)


# Checks of names.


async def resolved(client: Client, named: NamedTarget) -> NamedTarget:
    """Resolve ``Service/name`` to a handler if the class has no keys, as lists print it. Raises
    :class:`actors.NotFoundError`.
    """
    from journal.events import Kind

    kind = await _kind_of(client, named.service)
    if kind is Kind.SERVICE and named.key is not None and named.handler is None:
        return NamedTarget(named.service, None, named.key)
    return named


async def refuse_unknown(client: Client, named: NamedTarget) -> None:
    """Raise a :class:`actors.RefusedError` if an empty selection names something unknown: a service or handler that neither the
    code nor a history has, or a key that was never used."""
    from actors.errors import NotFoundError
    from journal.events import Kind

    service, key, handler = await resolved(client, named)
    served = await _served(client, service)
    if handler is not None and not await _has_any(client, service, handler=handler):
        known = () if served is None else tuple(name for one in served.handlers for name in (one.name, *one.aliases))
        if handler not in known:
            raise NotFoundError(f"{service} has no handler {handler!r}{_there_are(known)}", kind=ResourceKind.HANDLER)
    if key is not None and not await _has_any(client, service, key=key):
        if await _kind_of(client, service) is Kind.SERVICE:
            raise NotFoundError(
                f"{service} is a service and has no keys: write {service} or {service}/handler",
                kind=ResourceKind.HANDLER,
            )
        if (await client.object(service, key).info()).version == 0:
            raise NotFoundError(
                f"{service}/{key} was never used: it has no state and no invocations", kind=ResourceKind.INVOCATION
            )


async def _kind_of(client: Client, service: str) -> Kind:
    from actors.errors import NotFoundError
    from journal.events import Kind

    served = await _served(client, service)
    if served is not None:
        return served.kind
    found = await _has_any(client, service)
    if found:
        return found[0].kind
    if await client.objects(service, limit=1):
        return Kind.ACTOR  # its invocations have been purged
    names = [info.name for info in await client.services()]
    raise NotFoundError(f"there is no service {service!r}{_there_are(names)}", kind=ResourceKind.SERVICE)


async def _served(client: Client, service: str) -> ServiceInfo | None:
    """Return the served class with this name or alias, or None."""
    from actors.control.offline.directory import OfflineClient

    if isinstance(client, OfflineClient):
        return None  # nothing is served, and finding called handlers would need a read of every invocation
    return next((info for info in await client.services(system=True) if service in (info.name, *info.aliases)), None)


async def _names_of(client: Client, named: NamedTarget) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names under which objects of the class may be stored, and the names of the handler."""
    served = await _served(client, named.service)
    services = (named.service,) if served is None else (served.name, *served.aliases)
    if named.handler is None:
        return services, ()
    handlers = () if served is None else served.handlers
    names = [(one.name, *one.aliases) for one in handlers if named.handler in (one.name, *one.aliases)]
    return services, (names[0] if names else (named.handler,))


async def _has_any(
    client: Client, service: str, *, key: str | None = None, handler: str | None = None
) -> list[InvocationInfo]:
    return await client.invocations(service=service, key=key, handler=handler, limit=1)


def _there_are(names: Sequence[str]) -> str:
    return f"; there are: {', '.join(names)}" if names else ""
