"""The command ``playhead``: a thin shell over clients and inspection.

Data goes to stdout, remarks to stderr, and the exit code says what happened (``cli.exit_codes``).
"""
