"""What stacks are composed of: topology in, components out. Only `__main__.py` exports."""
