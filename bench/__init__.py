"""How fast `detlab` is by the command lines that a user types, against the best there is: docs/benchmarks.md."""
