"""Pure rules: data and the time go in, decisions come out; no I/O."""
