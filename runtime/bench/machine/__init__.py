"""What a benchmark says of the machine, and watches while it measures."""
