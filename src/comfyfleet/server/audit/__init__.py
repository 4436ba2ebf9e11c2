"""What administrators did, kept for good."""
