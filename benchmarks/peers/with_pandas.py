"""``with_pandas.py FILE.csv``: read the table and score it with scikit-learn, as most notebooks do."""

import sys

import pandas as pd
from sklearn_scores import show

table = pd.read_csv(sys.argv[1])
show(table["target"], table["pred"])
