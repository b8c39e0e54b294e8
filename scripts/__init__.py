"""Programs for people who work on Podkeeper: measurements, and what needs more than `make test`."""
