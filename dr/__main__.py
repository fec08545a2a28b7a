"""`python -m dr`."""

from dr.cli.main import run

run()
