"""Commands of `python -m sandbox`."""
