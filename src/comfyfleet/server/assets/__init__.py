"""The library: each file once, by its content."""
