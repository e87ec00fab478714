"""A notification as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.model.tags import pairs_of_tags
from cli.render.output import when
from cli.render.text_table import TextColumn, TextTable, facts_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.notification_info import NotificationInfo


def _kinds(info: NotificationInfo) -> str:
    return " ".join(kind.value for kind in info.on)


def _of(info: NotificationInfo) -> str:
    parts = (info.service or "*", info.key, info.handler)
    return "/".join(part for part in parts if part) if any(parts[1:]) or info.service else "all"


NOTIFICATIONS: TextTable[NotificationInfo] = TextTable(
    id_of=lambda info: info.name,
    columns=(
        TextColumn("NAME", lambda info: info.name),
        TextColumn("ON", _kinds),
        TextColumn("OF", _of),
        TextColumn("URL", lambda info: info.url),
        TextColumn("DELIVERED", lambda info: str(info.delivered)),
        TextColumn("WAITING", lambda info: str(info.waiting)),
        TextColumn("GIVEN UP", lambda info: str(info.given_up)),
        TextColumn("FAILED TRIES", lambda info: str(info.failed_tries), is_wide=True),
        TextColumn("BY", lambda info: info.created_by, is_wide=True),
        TextColumn("LAST ERROR", lambda info: info.last_error),
    ),
)


def notification_lines(info: NotificationInfo) -> Iterator[str]:
    """Return the facts about a notification, one per line."""
    facts: list[tuple[str, Any]] = [
        ("name", info.name),
        ("url", info.url),
        ("on", _kinds(info)),
        ("of", _of(info)),
        ("tags", " ".join(pairs_of_tags(info.tags))),
        ("note", info.note),
        ("created", f"{when(info.created_at)} by {info.created_by}"),
        ("delivered", str(info.delivered)),
        ("last delivered", when(info.delivered_at)),
        ("waiting", str(info.waiting)),
        ("failed tries", str(info.failed_tries)),
        ("given up", str(info.given_up)),
        ("failing since", when(info.failing_since)),
        ("last error", info.last_error),
        ("last error at", when(info.last_error_at)),
    ]
    return facts_lines(facts)
