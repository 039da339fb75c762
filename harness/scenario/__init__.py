"""Stage one: what is tested."""
