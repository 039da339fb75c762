"""The edge of a rule: which variants of an attack it catches, and which slip under it."""
