"""What actions come to: phases and contacts, written into a ledger."""
