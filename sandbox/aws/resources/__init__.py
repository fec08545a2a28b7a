"""The resource types that the stand-in for the AWS plugin carries: one file a service, one table a type."""
