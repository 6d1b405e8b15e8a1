"""What Ramal costs: each benchmark measures processor time of our own process per unit of work."""
