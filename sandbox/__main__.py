"""`python -m sandbox`."""

from sandbox.cli.main import app

app(prog_name="python -m sandbox")
