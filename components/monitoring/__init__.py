"""Alarms, the topic they notify, and the functions that measure."""
