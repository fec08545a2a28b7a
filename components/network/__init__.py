"""A region's VPC and its endpoints."""
