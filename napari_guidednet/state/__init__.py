"""What is known: the plugin's state, without Qt and napari."""
