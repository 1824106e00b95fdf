"""OpenVINO, on a CPU."""
