"""Masses and observables in time: uniformization, dense propagators and rational approximation."""
