"""Server-rendered pages, shipped in the wheel."""
