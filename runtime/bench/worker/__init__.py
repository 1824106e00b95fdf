"""The process that measures one case."""
