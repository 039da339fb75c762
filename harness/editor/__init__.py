"""The editor's side of detlab: a language server over stdio, whose reading of texts is done by bound children."""
