"""How sure a number is: intervals of every metric, and differences that are more than chance."""
