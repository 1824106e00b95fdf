"""Whether a translation keeps what matters: detections, segmentation, small structure."""
