"""Training samples: from a domain's settings to batches of images."""
