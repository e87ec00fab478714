"""``playhead completion``: the shell's completion of commands, options, statuses and services."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cli.main import COMPLETION_VARIABLE, NAME, root
from cli.render.output import out


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
        eval "$(playhead completion bash)"
        playhead completion fish > ~/.config/fish/completions/playhead.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        from journal.errors import BrokenInvariant

        raise BrokenInvariant(f"click does not support the shell {shell!r}")
    out(kind(root, {}, NAME, COMPLETION_VARIABLE).source())
