"""Disaster recovery for machine-learning inference: the domain, and the operator's command."""
