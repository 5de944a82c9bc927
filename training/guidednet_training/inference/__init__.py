"""What answers: sliding windows, confidence, the way back to the original grid."""
