"""Replicas that share their mini-batches: the random environment they see, and the regime it puts them in.

Import from the modules: ``environment`` tells the regime, ``random_walk`` is the solvable case, ``common_batches`` and
``random_features`` are environments whose correlation is known.
"""
