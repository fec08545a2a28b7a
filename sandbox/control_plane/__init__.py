"""Kubernetes' own processes on loopback: etcd, API server, controllers, scheduler and kwok."""
