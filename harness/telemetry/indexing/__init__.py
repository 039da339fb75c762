"""What Splunk does to a plain text before it is searched: lines, events, times, rewriting, indexed fields."""
