"""What is read from and written to disk: limits of what is read, names that others could foresee."""
