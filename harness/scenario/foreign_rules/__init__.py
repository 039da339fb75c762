"""Formats in which others publish rules; one file each."""
