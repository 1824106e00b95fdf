"""Where clips come from, where their translations go, and where both are on their way."""
