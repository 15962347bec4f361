"""The `touchstone` command: one thin verb per file."""
