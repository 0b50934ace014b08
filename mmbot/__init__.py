"""A market maker for Kalshi's weekly TSA passenger markets."""

import os

# The matrices here are small. Threads that wait for each other, on shared cores, can make a fit
# eight times slower; the library reads this when numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
