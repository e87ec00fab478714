"""What is written: events, and the journal that keeps them.

The parts, from the bottom: ``ids`` and ``events`` (what a fact is), ``codec`` and ``rows`` (as bytes), ``keys`` (where),
``store`` (a sorted map: ``rocks`` on disk, ``memory`` for tests), ``stored`` (streams and letters over a store), and
``protocol``, which is all that an engine knows of it.
"""

from __future__ import annotations
