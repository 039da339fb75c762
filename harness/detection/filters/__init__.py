"""Rules that only filter events, many at once over each column's distinct values, without a statement each."""
