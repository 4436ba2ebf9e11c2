"""The database's migrations, from empty to now."""
