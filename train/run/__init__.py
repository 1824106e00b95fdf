"""What a run is, of `train` and of `adapt`: its steps, log and checkpoints."""
