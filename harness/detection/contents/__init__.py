"""Ways to write down what rules refer to; one file each."""
