"""What runs in threads, and how threads report to the viewer."""
