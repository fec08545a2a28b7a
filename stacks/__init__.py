"""Composition of the stacks: topology in, components out. Only `__main__.py` exports."""
