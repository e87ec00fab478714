"""``python -m cli``: the command, also where it is not on the path."""

from cli.main import main

main()
