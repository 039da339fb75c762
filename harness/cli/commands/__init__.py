"""Subcommands: one file each."""
