"""Learning-rate schedules of configs beside the published ones."""
