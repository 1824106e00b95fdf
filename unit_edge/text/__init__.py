"""Texts that mean something: addresses, sizes; what of them is secret, and what a terminal may be shown."""
