"""Training: simulated movies, clips, losses, the loop and its recipes."""
