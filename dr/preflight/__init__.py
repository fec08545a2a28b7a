"""Checks that run before a deployment changes anything."""
