"""detlab: proves detections by running the text of a published rule on telemetry."""

__version__ = "0.1.0"
