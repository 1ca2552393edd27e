"""Settings for every test."""

import os

# many small matrices: more threads of linear algebra only wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

# the first call of a test may load a package or compile a kernel, so no call has a deadline;
# the same cases every time, so that a red test is red for everybody
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
