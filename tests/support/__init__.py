"""Fixtures, builders and helpers shared by tests."""
