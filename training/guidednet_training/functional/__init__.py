"""Shared ideas of the methods: losses, schedules, mixtures. No loops, no files."""
