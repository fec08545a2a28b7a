"""The cluster, its roles and its node groups."""
