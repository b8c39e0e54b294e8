"""Never wrong about who uses a pod: the failure classes of DESIGN.md by name, with the clock in the hand."""
