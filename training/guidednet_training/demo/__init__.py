"""What is told first: the whole loop on synthetic cases, with pictures and a report."""
