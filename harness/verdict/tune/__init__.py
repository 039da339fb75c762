"""What a rule's thresholds should be, and what they cost: the joint grid, its limits, and the edges of attacks."""
