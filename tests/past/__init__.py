"""Past bugs by name: every fault that was found and mended, with the tests that replay it.

``python -m tests.past`` lists them, ``python -m tests.past NAME ...`` runs the tests of these. A mend adds an entry to the module
of its group; ``tests/test_past.py`` checks that each entry names a test that exists.
"""

from __future__ import annotations

from tests.past import (
    command,
    console,
    containment,
    control,
    http,
    integrations,
    journal,
    replay,
    resources,
    server,
    simulation,
    sql,
    threads,
    values,
)

GROUPS = {
    "containment": containment.FAULTS,
    "resources": resources.FAULTS,
    "values": values.FAULTS,
    "replay": replay.FAULTS,
    "control": control.FAULTS,
    "threads": threads.FAULTS,
    "directory and server": server.FAULTS,
    "sql": sql.FAULTS,
    "http": http.FAULTS,
    "command line": command.FAULTS,
    "console": console.FAULTS,
    "journal": journal.FAULTS,
    "simulation": simulation.FAULTS,
    "integrations": integrations.FAULTS,
}

FAULTS = {fault.name: fault for faults in GROUPS.values() for fault in faults}
