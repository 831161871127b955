"""Studies: what scenarios of one kind share. Theories beside an ensemble of networks; a Fokker-Planck problem alone."""
