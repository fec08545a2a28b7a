"""Resource types of the model of the AWS plugin: one file a service, one table a type."""
