"""Lambda functions that run every minute in the recovery region; they import only boto3 and parts of `dr`."""
