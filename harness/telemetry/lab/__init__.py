"""The real lab: hosts that tests are detonated on, and what they recorded."""
