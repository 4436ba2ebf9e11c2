"""Who is calling: people by session, programs by API key."""
