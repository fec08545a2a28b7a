"""Benchmarks of the product. Both sides of a comparison run in pairs in one process, so that load affects both."""
