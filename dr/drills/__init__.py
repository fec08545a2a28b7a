"""Drills: a rehearsed loss, measured by clients and by writes, with a verdict against the tier's objectives."""
