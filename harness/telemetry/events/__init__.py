"""Events as columns, from bytes to text."""
