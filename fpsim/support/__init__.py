"""Errors, checked arguments, memory, threads, progress and random numbers: the ground that every package stands on."""
