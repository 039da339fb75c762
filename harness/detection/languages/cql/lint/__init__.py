"""What LogScale rejects or silently gets wrong."""
