"""Where pods run: one interface, one file per engine."""
