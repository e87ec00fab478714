"""``playhead demo``: a tour on a real server that is really killed, with a check of every claim."""

from __future__ import annotations

import click


@click.command()
@click.option("--keep", is_flag=True, help="Keep the data directory and print its path.")
def command(keep: bool) -> None:
    """Show in under a minute what playhead does. Offline, in a temporary directory; exit code 1 if a claim is false."""
    from cli.demo.story import tell_story

    tell_story(is_kept=keep)
