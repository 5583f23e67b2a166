"""What weights that cannot be loaded say."""


class CheckpointError(ValueError):
    """Weights that cannot be fetched, read or loaded; network and files have been left as they were."""
