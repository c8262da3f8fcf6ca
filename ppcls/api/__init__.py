"""What Python programs and notebooks use: train, load, and what these return."""
