"""Options that several commands share."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.constants import DEFAULT_DATA, FASTEST_RATE, SLOWEST_RATE, TOKEN_VARIABLE, URL_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable


class _Duration(click.types.FloatParamType):
    """A duration: a number of seconds, or ``10m``, ``2h``, ``3d``; never negative, infinite or NaN."""

    name = "duration"

    def __init__(self, *, at_most: float = math.inf) -> None:
        self._at_most = at_most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from actors.errors import InvalidArgumentError
        from actors.http.durations import parse_duration

        try:
            seconds = parse_duration(
                str(value), bare="s", name=param.name if param is not None and param.name else self.name
            )
        except InvalidArgumentError as error:
            self.fail(str(error), param, ctx)
        if seconds > self._at_most:
            self.fail(f"{value} is too long; at most {self._at_most:g} seconds.", param, ctx)
        return seconds


class _Rate(click.FloatRange):
    """A rate per second. click's ``FloatRange`` accepts NaN in every range."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        rate: float = super().convert(value, param, ctx)
        if math.isnan(rate):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return rate


DURATION = _Duration()
UP_TO_A_DAY = _Duration(at_most=86_400)
RATE = _Rate(SLOWEST_RATE, FASTEST_RATE)

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "jsonl", "id"]),
    default="table",
    show_default=True,
    help="table, wide: for people; json, jsonl: for programs; id: for pipes.",
)

report_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output format.",
)
"""The format option of commands that print one thing and not a list."""

watch_option = click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C; on a terminal only.")

reason_option = click.option("--reason", default="", help="The reason; recorded in the history and the audit log.")


def page_options(
    limit: int = 100, *, after: str | None = "Continue after the page that printed this value."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the options of a list that has pages; the command gets them as ``paging``. ``limit`` is the default number of rows.
    Without ``after``, the command has an option of its own for the beginning.
    """

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_paging(*args: Any, asked: int | None, every: bool, cursor: str | None = None, **kwargs: Any) -> Any:
            from cli.pages import Paging

            if every and asked is not None:
                raise click.UsageError("--all and --limit exclude each other; pass one of them")
            paging = Paging(None if every else asked or limit, cursor)
            return command(*args, paging=paging, **kwargs)

        options = [
            click.option(
                "--limit",
                "asked",
                default=None,
                type=click.IntRange(min=1),
                help=f"List at most this many [default: {limit}].",
            ),
            click.option("--all", "every", is_flag=True, help="List all of them."),
        ]
        if after is not None:
            options.append(click.option("--after", "cursor", default=None, metavar="CURSOR", help=after))
        return with_options(with_paging, *options)

    return decorated


def _tags(_: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str] | None:
    from actors.errors import InvalidArgumentError, LimitExceededError
    from actors.model.tags import tags_of_pairs

    try:
        return tags_of_pairs(pairs, "--tag")
    except (InvalidArgumentError, LimitExceededError) as error:
        raise click.BadParameter(str(error), param=param) from error


def tag_option(about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for tags; the command gets them as ``tags``."""
    return click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", callback=_tags, help=about)


def _budget(_: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str] | None:
    from actors.errors import InvalidArgumentError, LimitExceededError
    from actors.values.amounts import amounts_of_pairs

    try:
        return amounts_of_pairs(pairs, "--budget") if pairs else None
    except (InvalidArgumentError, LimitExceededError) as error:
        raise click.BadParameter(str(error), param=param) from error


def budget_option(about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the amounts of a budget; the command gets them as ``budget``."""
    return click.option("--budget", multiple=True, metavar="NAME=AMOUNT", callback=_budget, help=about)


call_budget_option = budget_option("Pause it once it and its calls have spent this, as tokens=100000; repeatable.")

max_duration_option = click.option(
    "--max-duration",
    type=DURATION,
    default=None,
    help="Cancel the invocation if it has not ended after 30s, 5m, 2h or 3d.",
)


ca_option = click.option(
    "--ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="Trust the certificates in this file (PEM) [default: $SSL_CERT_FILE, else the public CAs].",
)


def data_option(about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the data directory, for commands that use no server."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA,
        envvar="PLAYHEAD_DATA",
        show_default=True,
        help=about,
    )


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a server; the command gets them as ``server``."""

    @functools.wraps(command)
    def with_server(
        *args: Any,
        url: str | None,
        token: str | None,
        data: Path | None,
        context: str | None,
        ca: Path | None,
        **kwargs: Any,
    ) -> Any:
        from cli.backend import resolve_server

        server = resolve_server(url=url, token=token, data=data, context=context, ca=ca)
        return command(*args, server=server, **kwargs)

    return with_options(
        with_server,
        click.option(
            "--url",
            default=None,
            help=f"The server's URL [default: ${URL_VARIABLE}, a context, or the server of DATA].",
        ),
        click.option("--token", default=None, help=f"The server's token [default: ${TOKEN_VARIABLE}, or DATA/token]."),
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            default=None,
            envvar="PLAYHEAD_DATA",
            help=f"The data directory [default: {DEFAULT_DATA}].",
        ),
        click.option(
            "--context",
            default=None,
            help="Use the saved server NAME [default: $PLAYHEAD_CONTEXT, else the current context].",
        ),
        ca_option,
    )


def with_options(
    command: Callable[..., Any], *options: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[..., Any]:
    """Add the options to the command, in the order of its help."""
    for option in reversed(options):
        command = option(command)
    return command
