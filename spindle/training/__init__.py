"""HOW it learns.  Torch lives in these rooms, so they open when first asked."""

import os

from spindle.door import door

# Torch's threads wait by spinning, and so keep each other, and the workers that prepare pictures,
# from the cores they wait for; to sleep at once is as slow where a step is short.  So they spin for
# some microseconds; it must be said before torch is there.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__all__, __getattr__, __dir__ = door(__file__, extra="train")
