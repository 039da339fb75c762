"""Sensors: one file each, one function an activity; an activity that a sensor does not record leaves no event."""
