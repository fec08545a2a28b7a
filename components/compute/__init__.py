"""Components for the EKS cluster, its IAM roles and its node groups."""
