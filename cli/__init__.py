"""The front desk: the `podkeeper` command, and the composition of the service."""
