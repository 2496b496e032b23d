"""The choice of a threshold: the scores that can be one, what is best of them, and how it is written."""
