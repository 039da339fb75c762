"""Stage three: what the rule says. Its text is parsed, lowered to one plan, compiled to SQL and run."""
