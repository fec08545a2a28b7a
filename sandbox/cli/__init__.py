"""The sandbox's commands: python -m sandbox."""
