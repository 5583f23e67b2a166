"""The three filters as Triton kernels, for GPUs. Nothing here is imported before it is needed."""
