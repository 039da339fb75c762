"""Stage two: what was recorded. Simulated, replayed or detonated, always as columns."""
