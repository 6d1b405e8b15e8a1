"""Sockets for SIP: UDP and TCP, each a thin shell that hands bytes to the sans-I/O core."""
