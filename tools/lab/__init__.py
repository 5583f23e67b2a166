"""Studies of the package, benchmarks, and toy data: what its users do not install."""
