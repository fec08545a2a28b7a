"""Buckets, keys and backups."""
