"""Collects scenario files: each expectation is a test."""
