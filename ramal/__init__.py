"""The front door: command line, wiring, the demo."""
