"""Helm chart archives, served in the sandbox by chart repositories and an OCI registry."""
