"""The search for weak slices (``--scan``): what is counted of every value and pair, and which are weak."""
