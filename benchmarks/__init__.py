"""How fast it is, and how near that comes to what the store itself could do.

``python -m benchmarks`` asks every question, ``python -m benchmarks calls --in-flight 64 --keys 10000`` one of them. See README.md.
"""
