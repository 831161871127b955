"""Landscape of the bottleneck network ``f(x) = W2 phi(W1 x)``, assembled from averages over the data."""
