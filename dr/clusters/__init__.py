"""Kubernetes clusters: API access, pinned charts and the state of rollouts."""
