"""Stage five: tell people."""
