"""What commands work on, found and opened from what was typed."""
