"""Composition of the stacks: functions that create components from a topology. Only `__main__.py` exports outputs."""
