"""What runs in pods: the standard library, boto3 and the core of `dr`, nothing else."""
