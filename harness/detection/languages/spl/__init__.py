"""SPL, the search processing language of Splunk: its text in, a plan out."""

from harness.detection.languages.spl.language import LANGUAGE

__all__ = ["LANGUAGE"]
