"""Which images a data loader will give."""

from itertools import islice

from torch.utils.data import DataLoader


def batches_of_indices(dataloader: DataLoader) -> list[list[int]]:
    """Return the data set's indices that each batch on this process will hold.

    Raises:
        ValueError: If the sampler does not visit the images in the same order each time.
    """
    sampler, limit = dataloader.batch_sampler, len(dataloader.dataset)
    if sampler is not None:
        batches = list(islice(sampler, limit + 1))
        if len(batches) <= limit and batches == list(sampler):
            return batches
    raise ValueError(
        'dataloader.sampler must visit the images once, in the same order each time, as DefaultSampler with '
        f'shuffle=False does, got {type(dataloader.sampler).__name__}'
    )
