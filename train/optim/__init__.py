"""What happens to weights beside gradients: learning rates, the moving average, steps that are skipped."""
