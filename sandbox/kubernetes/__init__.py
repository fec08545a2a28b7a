"""The sandbox's Kubernetes: real control planes on loopback, with nodes and pods that are told, not run."""
