"""The sections of the page, in the order in which they are read; to add one, add a module and name it here.

A module has a `TITLE`; a model `Numbers`, everything that it says; `numbers(run)`, which gathers them; perhaps
`plots(numbers)`, which draws or places them; and beside it the template of its name, which gets both.
"""

from tasks.reporting.sections import (
    calibration,
    data,
    disagreement,
    failures,
    learning,
    methods,
    networks,
    provenance,
    side_by_side,
    verdict,
)

SECTIONS = (verdict, side_by_side, learning, failures, disagreement, calibration, data, networks, provenance, methods)
