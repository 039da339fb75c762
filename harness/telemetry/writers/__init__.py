"""Formats of events that can be written: one file a format."""
