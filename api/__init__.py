"""The web interface: REST, live events, sign-in and roles; serves the built web app."""
