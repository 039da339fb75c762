"""Would the tests notice if somebody broke the rule? Every part of it is changed in turn."""
