"""What this machine can do, found by trying it. Nothing of the rest of the runtime imports it."""
