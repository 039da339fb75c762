"""Simulated organisations: who is where, when hosts are awake, and what all sensors record of it."""
