"""What a model, an engine and a graph's costs say of themselves, beside their files."""
