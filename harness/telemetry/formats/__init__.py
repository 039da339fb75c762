"""Formats of events: one file a format, its reader and its writer together."""
