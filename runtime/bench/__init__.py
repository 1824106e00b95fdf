"""What measures how fast models run here. Nothing of the rest of the runtime imports it."""
