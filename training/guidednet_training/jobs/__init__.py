"""What keeps promises: a request in, events out."""
