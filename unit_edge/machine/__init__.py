"""What this machine is: its system, memory and GPUs."""
