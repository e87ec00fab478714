"""One question per file. :mod:`benchmarks.all_questions` lists them."""
