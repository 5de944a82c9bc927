"""What sees: segmentation networks that return logits and features."""
