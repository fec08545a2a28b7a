"""Entry point of `python -m sandbox`."""

from dr.cli.command import run
from sandbox.cli.main import app

run(app, "python -m sandbox")
