"""A model of Pulumi's AWS plugin, served over gRPC."""
