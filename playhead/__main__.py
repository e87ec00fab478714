"""The command ``playhead``, also as ``python -m playhead``."""

from __future__ import annotations

import sys

from playhead.packages import check_command_line, check_packages


def main() -> None:
    """Run a command, unless a file beside the user's app hides a package of ours, or the packages of the command line are missing."""
    try:
        check_packages()
        check_command_line()
    except ImportError as error:
        print(f"playhead: {error}", file=sys.stderr)
        sys.exit(2)
    from cli.main import main as run

    run()


if __name__ == "__main__":
    main()
