"""int8: which layers can have it, measured on frames, and what it does to them."""
