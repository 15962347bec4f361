"""Open4DHOI's sessions: layout, records, body and results, read and written."""
