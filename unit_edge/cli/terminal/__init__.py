"""What commands show: lines, progress, what became of each clip."""
