"""Components for client traffic: hosted zone, certificate, load balancer and failover records."""
