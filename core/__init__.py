"""The pod service: everything Podkeeper knows, with no face on it."""
