"""What runs every minute in the recovery region: the standard library, boto3 and the core of `dr`, nothing else."""
