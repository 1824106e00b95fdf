"""What viewers get: H.264 by WebRTC, or JPEGs."""
