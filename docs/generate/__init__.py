"""Generators of the parts of documents that repeat a fact of the code: `make docs` runs them all."""
