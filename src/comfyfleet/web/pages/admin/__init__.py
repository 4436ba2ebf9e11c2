"""The admin's pages: one file for each group."""
