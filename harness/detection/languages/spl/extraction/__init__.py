"""Search-time field extraction by props.conf and transforms.conf: what an event's text is made fields of.

Splunk's order: EXTRACT, REPORT, KV_MODE, FIELDALIAS, EVAL, LOOKUP.
"""
