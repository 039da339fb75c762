"""A coded store of recorded events: written once, read by every command."""
