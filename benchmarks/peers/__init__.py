"""The same questions, put to others who run durable code, on the same machine in one run.

A file a peer; each runs in an environment of its own, which ``python -m benchmarks peers --install`` makes. Nothing of theirs
is imported by the rest of the benchmarks.
"""
