"""A phone on pjsua2, in a process of its own: for the terminal, for the demo, and as the real peer of the tests."""
