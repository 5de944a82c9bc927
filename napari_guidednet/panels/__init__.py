"""What asks: Qt panels."""
