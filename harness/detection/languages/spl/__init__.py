"""SPL, the Splunk search processing language."""
