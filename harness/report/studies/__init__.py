"""What studies found, for people, for machines, and drawn."""
