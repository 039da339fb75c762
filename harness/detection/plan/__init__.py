"""The plan: what a query means, free of any language's or engine's spelling."""
