"""Data of inference: model sets, and backups of the model registry."""
