"""`python -m highroad.app DATA`: the control-plane process as the supervisor starts it.

Imports and composition make half a million objects and no garbage. Looking for some among them all the while would
take a tenth of the start, and looking through them again later a pause of 50 ms every few minutes.
"""

import gc

gc.disable()

from highroad.app.serve import main  # noqa: E402  # the imports are what is to go without

main()
