"""What the world outside offers (objects, processes, Postgres), behind small ports."""
