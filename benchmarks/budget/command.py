"""``python -m benchmarks budget``: what units cost, beside their budgets."""

from __future__ import annotations

import sys

import click

from benchmarks.budget import book
from benchmarks.budget.book import Entry, Verdict
from benchmarks.budget.count import count_calls, count_instructions, has_callgrind
from benchmarks.report import table

NO_CALLGRIND = "valgrind is not installed, so instructions are not counted: apt-get install valgrind"
OTHER_BUILD = "the budgets of instructions are of another build of Python, so they are not compared"


@click.command("budget")
@click.option("--write", "is_written", is_flag=True, help="Make the figures the budgets.")
@click.option("--calls", "is_quick", is_flag=True, help="Count calls and garbage alone, which takes seconds.")
def command(is_written: bool, is_quick: bool) -> None:
    """Count the calls, the instructions and the garbage of each unit of work, and compare them with benchmarks/budget.toml.

    Exits with 1 if a figure is more than 1 % above its budget or more than 5 % below it.
    """
    measured = count_calls()
    if not is_quick and has_callgrind():
        for unit, figures in count_instructions().items():
            measured[unit] |= figures
    elif not is_quick:
        click.echo(NO_CALLGRIND, err=True)
    if is_written:
        book.write(measured)
    entries = book.read().compare(measured)
    click.echo("\n".join(table([("", "", "measured", "budget", "%", ""), *map(cells, entries)])))
    for part in book.read().other_parts():
        click.echo(f"another version than the budgets': {part}", err=True)
    if any(entry.verdict is not Verdict.KEPT for entry in entries):
        sys.exit(1)


def cells(entry: Entry) -> tuple[str, ...]:
    """One line of the table."""
    return (
        entry.unit,
        entry.measure,
        book.rounded(entry.measured),
        "" if entry.budget is None else book.rounded(entry.budget),
        "" if entry.percent is None else f"{entry.percent:+.1f}",
        entry.verdict.value,
    )
