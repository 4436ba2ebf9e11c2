"""What AWS documents, as pure functions: data and the time go in, decisions come out."""
