"""What is worked out over a whole plan before it runs: a pass a file."""
