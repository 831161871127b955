"""Linear algebra of Markov generators: M-matrices without subtractions, null vectors, communicating classes."""
