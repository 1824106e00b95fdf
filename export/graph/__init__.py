"""What an ONNX graph holds and takes, told without running it."""
