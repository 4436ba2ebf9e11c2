"""The API, one file a subject; each lists its `ROUTES`."""
