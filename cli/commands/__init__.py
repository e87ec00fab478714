"""One file for each command: its words, its options and its help.

Nothing that takes long to import is imported here, so that help answers at once; what a command does is in ``cli.doing`` or
beside it, and imported when it is run.
"""
