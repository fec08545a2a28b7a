"""The dr command: arguments, exit codes and output."""
