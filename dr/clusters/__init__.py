"""Kubernetes clusters as the operator sees them: access, charts, and the state of rollouts."""
