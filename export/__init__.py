"""From a training run to files that a board runs. Needs torch and onnx."""
