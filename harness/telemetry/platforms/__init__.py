"""Platforms: one file each."""
