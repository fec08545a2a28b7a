"""Benchmarks, printed with their objectives: `make bench`. They are no part of `make test`."""

from dr.cli.layout import Rows, show
from tests.bench import orchestration, readiness, restore

BENCHMARKS = (readiness.speedup, readiness.memory, orchestration.overhead, restore.restore)

results = [benchmark() for benchmark in BENCHMARKS]
rows = [
    ("met" if each.met else "missed", each.name, f"{each.measured} (objective: {each.objective})") for each in results
]
show(Rows(rows, ("status", "benchmark", "measured")))
