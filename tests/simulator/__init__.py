"""The simulator: people, tabs, outages, restarts on a virtual clock, through the real reaper; and who knows better."""
