"""AWS on this machine: moto, what it lacks, and the stand-in for the AWS plugin."""
