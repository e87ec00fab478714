"""What schemathesis leaves out of the queries of generated requests: options that change which of them a handler accepts.

``parameter`` changes what the body means, ``debounce`` needs a delay, and a budget of nothing pauses the call. A schema cannot tell all
characters that are not printable, so tags that have one are left out as well.
"""

from __future__ import annotations

from typing import Any

import schemathesis

_LEFT_OUT = ("parameter", "debounce", "max_delay", "budget")


@schemathesis.hook
def before_call(_: Any, case: Any, __: dict[str, Any]) -> None:
    generation = getattr(case.meta, "generation", None)
    if generation is not None and generation.mode.is_positive:
        for name in _LEFT_OUT:
            case.query.pop(name, None)
        tags = case.query.get("tag")
        if isinstance(tags, list):
            case.query["tag"] = [tag for tag in tags if str(tag).isprintable()]
