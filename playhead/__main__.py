"""The command ``playhead``, also as ``python -m playhead``."""

from __future__ import annotations

import sys

from playhead.packages import check_packages


def main() -> None:
    """Run a command, unless a file beside the user's app stands in for a package of ours."""
    try:
        check_packages()
    except ImportError as hidden:
        print(f"playhead: {hidden}", file=sys.stderr)
        sys.exit(2)
    from cli.main import main as run

    run()


if __name__ == "__main__":
    main()
