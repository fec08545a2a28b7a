"""Preflight: checks before a deployment changes any resource."""
