"""A page that shows a translation while it runs: for the command line alone, with the `serve` extra."""
