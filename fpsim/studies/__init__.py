"""Theories held against an ensemble of networks: laws beside its weights, distances, error budgets."""
