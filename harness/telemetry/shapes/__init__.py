"""Shapes of events: a file a family of tools, each with rows of the table."""
