"""Query languages: one folder each, found by name."""
