"""Domain adaptation of digits: a classifier for a domain without labels (unit-edge adapt)."""
