"""Where frames go: files, pictures, streams, devices, pipes."""
