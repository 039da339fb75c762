"""The same work by other programs, a small script each, run in an interpreter that the user names."""
