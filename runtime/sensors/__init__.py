"""What the machine says of itself while something runs: load, clocks, temperature, power."""
