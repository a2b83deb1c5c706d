"""The artifact store: what an artifact is, what its key is made of, how it is kept.

An artifact is a folder `data/<node>/[<network>-]<key>/` of files plus `manifest.json`. It appears whole or not at all,
never changes, and proves itself on every hit.
"""

import time

STARTED = time.time()  # when this process began, as good as: what it runs of the code it imports from now on
