"""From a caller to inference: zone, certificate, load balancer, failover records."""
