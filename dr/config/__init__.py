"""From a stack's configuration to a topology."""
