"""Benchmarks of Ropewalk against the standard library: `python -m benches.python --help`."""
