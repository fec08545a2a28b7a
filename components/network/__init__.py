"""Components for a region's VPC and its VPC endpoints."""
