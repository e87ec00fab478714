"""What a figure was measured on: without it, no figure means anything."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import attrs

_PARTS = ("rocksdict", "trio", "msgspec", "attrs", "cattrs", "h11", "apsw")


@attrs.frozen(kw_only=True)
class Machine:
    """The machine, what runs on it, and how busy it was with other things when the measuring began."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    versions: dict[str, str]
    date: str
    load: float
    durability: str
    scale: float

    @property
    def is_shared(self) -> bool:
        """Whether others had work for it: then wall times say little, and ratios and processor time more."""
        return self.load > self.cores / 2

    def lines(self) -> list[str]:
        """For people."""
        names = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        busy = f"load {self.load:.1f} when it began" + (
            ": the machine was shared and noisy, so trust ratios and processor time before wall time"
            if self.is_shared
            else ""
        )
        return [
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB; {self.system}; CPython {self.python}",
            names,
            f"{self.date}; durability {self.durability}, scale {self.scale:g}; {busy}",
        ]


def this_machine(durability: str, scale: float) -> Machine:
    """As it is now."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={name: version(name) for name in _PARTS},
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        load=os.getloadavg()[0],
        durability=durability,
        scale=scale,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
