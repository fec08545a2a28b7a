"""`python -m dr`."""

from dr.cli import run

run()
