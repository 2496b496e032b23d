"""Several models on the same rows, or one model on two samples: what differs, by how much, and whether it is chance.

Rows are paired in ``rows``, counted together in ``passes`` and ``joint``, by the user's own metrics in ``own_passes``;
``scored`` is a second look at scores; ``differences`` turns counts into numbers, ``models`` does all of it for one
call. What comes out is plain data, ``data.Comparison``, which renderers and ``margins`` read.
"""
