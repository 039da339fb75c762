"""The common information model: what Windows events are to data models, as our own mapping tables."""
