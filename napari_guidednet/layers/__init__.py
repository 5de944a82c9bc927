"""What is shown: napari layers, without Qt."""
