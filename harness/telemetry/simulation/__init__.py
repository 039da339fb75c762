"""What happens on hosts, and what sensors make of it."""
