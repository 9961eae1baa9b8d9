"""Runs CPython's own installed tests stock and under Ropewalk, and compares them test by test."""
