"""FastAPI: REST, event WebSocket, sign-in and roles; serves the built web app."""
