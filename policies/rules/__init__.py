"""Rules on what may be deployed. They judge what the engine shows, and know no program."""
