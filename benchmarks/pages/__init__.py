"""How long the pages take with much in the database, and how many bytes a first look at one costs."""
