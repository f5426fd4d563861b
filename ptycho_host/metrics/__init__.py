"""How good a reconstruction is: against a known object, and against the measurement alone."""
