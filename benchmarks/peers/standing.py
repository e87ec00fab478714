"""Tables of how the peers did: a line a question, a column a peer. They are kept, and written into both READMEs: nobody types them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from benchmarks.bars import Bar, Panel, draw_bars
from benchmarks.machine import Machine
from benchmarks.peers.asking import ASKED
from benchmarks.peers.contest import Standing
from benchmarks.record import FIGURES, HERE, between
from benchmarks.report import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.asking import Asked

OURS = "playhead"
TITLE = "The same questions to playhead and to others"
KEPT = FIGURES / "peers.jsonl"
READMES = (HERE.parent / "README.md", HERE / "README.md")
BEGIN, END = "<!-- peers: written by the command, do not type here -->\n", "<!-- end of peers -->\n"


@attrs.frozen
class Kept:
    """A line of the file."""

    standing: Standing
    machine: Machine


def keep(standings: Sequence[Standing], machine: Machine) -> None:
    """Write down what was found, in the place of what was found before."""
    FIGURES.mkdir(exist_ok=True)
    KEPT.write_text("\n".join([*(json_line(standing, machine) for standing in standings), ""]))
    KEPT.with_suffix(".svg").write_text(drawing(standings))


def json_line(standing: Standing, machine: Machine) -> str:
    """With everything that belongs to it."""
    return msgspec.json.encode(Kept(standing, machine)).decode()


def write_readmes() -> None:
    """Replace the tables in both READMEs with those of what is kept."""
    for path in READMES:
        path.write_text(filled(path.read_text(), has_spread=path.parent == HERE))


def filled(text: str, *, has_spread: bool) -> str:
    """The text with the kept table in its place."""
    if not KEPT.exists():
        return text
    kept = [msgspec.json.decode(line, type=Kept) for line in KEPT.read_text().splitlines()]
    table = markdown([line.standing for line in kept], kept[0].machine, has_spread=has_spread)
    picture = f"![{TITLE}]({'' if has_spread else 'benchmarks/'}figures/peers.svg)"
    return between(text, BEGIN, END, f"\n{table}\n\n{picture}\n\n")


def drawing(standings: Sequence[Standing]) -> str:
    """A chart of the medians. One at a time, a short bar is better; many at a time, a long one."""
    panels = []
    for asked in ASKED:
        bars = [
            Bar(one.peer, one.p50_ms if _is_timed(asked) else one.rate, is_ours=one.peer.startswith(OURS))
            for one in standings
            if one.question == asked.name
        ]
        better = "less is better" if _is_timed(asked) else "more is better"
        panels.append(Panel(f"{asked.name}: {_unit(asked)}, {better}", bars))
    return draw_bars(TITLE, panels)


def rows(standings: Sequence[Standing], *, has_spread: bool) -> list[list[str]]:
    """The head, then a line a question. One at a time, the time counts; many at a time, the rate."""
    peers = list(dict.fromkeys(standing.peer for standing in standings))
    found = {(standing.question, standing.peer): standing for standing in standings}
    lines = [["", *peers, f"{OURS} : best other"]]
    for asked in ASKED:
        of_all = {peer: found[asked.name, peer] for peer in peers if (asked.name, peer) in found}
        cells = [_cell(asked, of_all[peer], has_spread=has_spread) if peer in of_all else "" for peer in peers]
        lines.append([f"{asked.name} ({_unit(asked)})", *cells, _lead(asked, of_all)])
    return lines


def _is_timed(asked: Asked) -> bool:
    return asked.in_flight == 1


def _unit(asked: Asked) -> str:
    return "p50 ms" if _is_timed(asked) else asked.unit


def _cell(asked: Asked, standing: Standing, *, has_spread: bool) -> str:
    spread = standing.p50_ms if _is_timed(asked) else standing.rate
    told = number(spread.median)
    return f"{told} ({number(spread.least)} .. {number(spread.most)})" if has_spread else told


def _lead(asked: Asked, of_all: dict[str, Standing]) -> str:
    """How many times as good as the best of the others we are; our own server is no other."""
    others = [standing for peer, standing in of_all.items() if not peer.startswith(OURS)]
    if OURS not in of_all or not others:
        return ""
    ours = of_all[OURS]
    if _is_timed(asked):
        times = min(other.p50_ms.median for other in others) / ours.p50_ms.median
    else:
        times = ours.rate.median / max(other.rate.median for other in others)
    return f"{number(times)} x"


def markdown(standings: Sequence[Standing], machine: Machine, *, has_spread: bool) -> str:
    """For a README."""
    head, *lines = rows(standings, has_spread=has_spread)
    told = [_row(head), _row(["---", *["---:"] * (len(head) - 1)]), *map(_row, lines), ""]
    return "\n".join([*told, *(f"> {line}  " for line in below(standings, machine))])


def below(standings: Sequence[Standing], machine: Machine) -> list[str]:
    """What was asked, on what, and when."""
    versions = {standing.peer: standing.versions for standing in standings}
    told = [f"{peer}: {', '.join(f'{part} {number}' for part, number in of.items())}" for peer, of in versions.items()]
    runs = ", ".join(sorted({str(standing.runs) for standing in standings}))
    where, _, when = machine.lines()
    return [where, "; ".join(told), f"medians of {runs} rounds; {when}"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
