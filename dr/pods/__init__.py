"""Programs of pods; they import only boto3 and parts of `dr`."""
