"""How cases become tensors: preprocessing, prepared store, patches, augmentation, batches."""
