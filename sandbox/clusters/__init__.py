"""AWS's side of EKS: nodes, scaling, tokens, load balancer targets and the model server."""
