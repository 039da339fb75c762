"""What a child of the workbench does, from its beginning to its end: a file a kind of session, found by name."""
