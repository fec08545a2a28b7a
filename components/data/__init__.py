"""Components for S3 buckets, KMS keys, backup vaults and backup plans."""
