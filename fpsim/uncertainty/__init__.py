"""Values with errors, and verdicts: results, estimates that carry their replicates, identities and claims."""
