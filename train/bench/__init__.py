"""What a training step takes, measured or foretold."""
