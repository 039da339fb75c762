"""What the studies share: many cases in one store, and what a rule says of each of them."""
