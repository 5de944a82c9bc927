"""What repeats: the training loop, optimisers, checkpoints, validation."""
