"""Evidence of runs: a folder for each run, and the report that is made from it."""
