"""The command ``playhead``: a thin layer over the client.

Data goes to stdout, remarks to stderr, and the exit code reports the result (``cli.exit_codes``).
"""
