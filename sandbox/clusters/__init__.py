"""Emulation of AWS's part of EKS: nodes, scaling, tokens, load balancer targets and the model server."""
