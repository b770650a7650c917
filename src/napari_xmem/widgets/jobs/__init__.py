"""What runs in threads, and the one runner of a viewer, which lets one job at a time change results."""
