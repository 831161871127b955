"""Theory of SGD: modified equations, exact coefficients, closures for individual weight matrices."""
