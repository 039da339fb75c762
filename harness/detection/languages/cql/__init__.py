"""CQL, the CrowdStrike query language of LogScale."""
