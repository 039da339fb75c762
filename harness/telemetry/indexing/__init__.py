"""Splunk's index time for plain text: lines, events, times, rewriting, indexed fields."""
