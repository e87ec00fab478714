"""A group of commands whose help shows each command's whole first sentence, at any width of the terminal."""

from __future__ import annotations

import click

_WHOLE = 10_000
"""The length at which click would cut a sentence."""


class Group(click.Group):
    """A group whose list of commands is wrapped, never cut."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_WHOLE)) for name, each in named if each is not None])
