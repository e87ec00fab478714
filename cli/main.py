"""The entry point of the command line. Commands are imported when they are used, so that ``--help`` is fast."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from cli.constants import ANSWER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {
    "demo": ("cli.commands.demo", "Show in under a minute what playhead does."),
    "dev": ("cli.commands.dev", "Serve an app and reload its code when a file is saved."),
    "serve": ("cli.commands.serve", "Run an app on a data directory and accept calls."),
    "call": ("cli.commands.call", "Call a handler and print its result."),
    "send": ("cli.commands.send", "Send a one-way message to a handler."),
    "tokens": ("cli.commands.tokens", "Create, list and revoke API tokens."),
    "sql": ("cli.commands.sql", "Query invocations, events, state and inboxes with SQL."),
    "audit": ("cli.commands.audit", "Show who changed what, when and why."),
    "why": ("cli.commands.why", "Explain what an invocation waits for."),
    "services": ("cli.commands.services", "List the services and their handlers."),
    "actors": ("cli.commands.objects", "Show and edit keyed objects and their fields."),
    "gates": ("cli.commands.gates", "Pause and resume a service, handler, key or deployment."),
    "limits": ("cli.commands.limits", "Set how many invocations run at once."),
    "jobs": ("cli.commands.jobs", "List, follow and cancel bulk jobs."),
    "schedules": ("cli.commands.schedules", "Call handlers at the times of a cron line or an interval."),
    "notifications": ("cli.commands.notifications", "Send changes of invocations to a URL (webhooks)."),
    "deployments": ("cli.commands.deployments", "List deployments and choose the one for new work."),
    "invocations": ("cli.commands.invocations", "List, describe and control invocations."),
    "backup": ("cli.commands.backup", "Back up a data directory, even while it is served."),
    "restore": ("cli.commands.restore", "Create a data directory from a backup and check it."),
    "doctor": ("cli.commands.doctor", "Check a data directory and rebuild its indexes."),
    "journal": ("cli.commands.journal", "Move a journal into a cluster and back, and compare copies."),
    "cluster": ("cli.commands.cluster", "Show the servers that share a journal."),
    "mcp": ("cli.commands.mcp", "Offer the remote control to an assistant (MCP)."),
    "context": ("cli.commands.context", "Name servers and choose the current one."),
    "completion": ("cli.commands.completion", "Print the completion script of a shell."),
}


NAME = "playhead"
COMPLETION_VARIABLE = "_PLAYHEAD_COMPLETE"


class OutputClosed(Exception):
    """The reader of stdout has closed it, as ``head`` does when it has enough."""


@contextmanager
def _reporting_closed_output() -> Iterator[None]:
    """Raise :class:`OutputClosed` instead of ``BrokenPipeError``, which click turns into exit code 1: "the invocation failed"."""
    try:
        yield
    except (BrokenPipeError, ExceptionGroup) as error:
        if isinstance(_alone(error), BrokenPipeError):
            raise OutputClosed from error
        raise


class LazyGroup(click.Group):
    """A group whose commands are in modules of their own."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reporting_closed_output():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reporting_closed_output():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="playhead")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    default=ANSWER_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long a server may take to answer. Commands that wait for an outcome wait as long as it answers.",
)
def root(timeout: float) -> None:
    """Durable virtual objects for trio, with a remote control.

    Data goes to stdout, remarks to stderr. Exit codes: 0 done, 1 the invocation failed, 2 not understood, 3 refused,
    4 not found, 5 no server, 6 done in part, 7 outcome unknown, 8 a server ended before all its steps did, 9 a server
    ended at once (a second signal, or it did not answer), 74 the disk failed or the data directory was replaced, 75 the
    data directory is in use, 130 interrupted (Ctrl-C), 141 the reader of the output closed it, as head does.
    """


def main() -> None:
    """Run a command; an error becomes a message and an exit code."""
    from cli.exit_codes import Exit, exit_code_of
    from cli.render.output import err, escape_what_streams_cannot_show

    escape_what_streams_cannot_show()
    try:
        _refuse_what_is_not_text(sys.argv[1:])
        code = root(prog_name=NAME, complete_var=COMPLETION_VARIABLE, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the message is the help, line breaks included
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _shown_safely(error).show()
        sys.exit(error.exit_code)
    except click.Abort:
        err("aborted")
        sys.exit(130)
    except OutputClosed:
        _discard_output()
        sys.exit(Exit.OUTPUT_CLOSED)
    except Exception as raised:
        shown = _alone(raised)
        if not is_ours(shown):
            raise
        for line in (*getattr(shown, "__notes__", ()), f"playhead: {shown}"):
            err(line)
        sys.exit(exit_code_of(shown))


def _discard_output() -> None:
    """Point stdout to nowhere, so that Python's own flush at the end does not fail too."""
    with suppress(OSError, ValueError):  # a stream without a descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _refuse_what_is_not_text(words: list[str]) -> None:
    """Refuse arguments that are not UTF-8. Python keeps such bytes as lone surrogates, which no name, value or path here can
    contain."""
    for number, word in enumerate(words, 1):
        try:
            word.encode()
        except UnicodeEncodeError:
            raise click.UsageError(_unreadable(number, os.fsencode(word))) from None


def _unreadable(number: int, word: bytes) -> str:
    try:
        text = word.decode()
    except UnicodeDecodeError:
        return f"argument {number} is not UTF-8: {word!r}"
    encoding = sys.getfilesystemencoding()
    return (
        f"argument {number} is {text!r}, but Python decodes arguments as {encoding} in this locale. Set PYTHONUTF8=1, or a locale of UTF-8: "
        "LC_ALL=C.UTF-8"
    )


def _alone(error: BaseException) -> BaseException:
    from actors.values.error_groups import alone
    from journal.errors import StoreFailed

    return alone(error, StoreFailed)


def _shown_safely(error: click.ClickException) -> click.ClickException:
    """Return an error whose message is safe to print on a terminal."""
    from cli.render.output import safe_lines

    message = safe_lines(error.format_message())
    return (
        click.UsageError(message, error.ctx) if isinstance(error, click.UsageError) else click.ClickException(message)
    )


def is_ours(error: BaseException) -> bool:
    """Report whether the error is meant for the user. Other errors are shown with their traceback."""
    from actors.errors import ActorError  # imported when there is an error
    from journal.errors import JournalError

    return isinstance(error, (ActorError, JournalError))
