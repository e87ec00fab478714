"""Limits of a runtime and its server on the command line: ``NAME=VALUE``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click

from actors.errors import InvalidArgumentError
from actors.http.server_options import ServerLimits
from actors.values.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_limits(words: Iterable[str]) -> tuple[Limits, ServerLimits]:
    """Parse limits for the runtime and the server. Raises :class:`click.UsageError` for an unknown name or an invalid
    value.
    """
    changed: dict[type, dict[str, Any]] = {Limits: {}, ServerLimits: {}}
    owners = {field.name: owner for owner in changed for field in attrs.fields(owner)}
    for word in words:
        name, is_there, text = word.partition("=")
        if not is_there or name not in owners:
            raise click.UsageError(
                f"--limit {word}: expected NAME=VALUE, where NAME is one of {', '.join(sorted(owners))}"
            )
        changed[owners[name]][name] = _number(word, text, is_whole=not name.endswith("_seconds"))
    try:
        return Limits(**changed[Limits]), ServerLimits(**changed[ServerLimits])
    except InvalidArgumentError as error:
        raise click.UsageError(f"--limit: {error}") from error


def _number(word: str, text: str, *, is_whole: bool) -> float:
    try:
        return int(text) if is_whole else float(text)
    except ValueError:
        kind = "a whole number" if is_whole else "a number of seconds"
        raise click.UsageError(f"--limit {word}: expected {kind}") from None
