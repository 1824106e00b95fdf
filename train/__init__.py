"""UNIT in PyTorch: networks, objective, data and the training loop."""
