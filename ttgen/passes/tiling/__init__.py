"""From loops over elements to the stages that make one output tile.

:mod:`.dimensions` knows loops and pages, :mod:`.stages` the stages and their buffers,
:mod:`.expressions` what a value becomes, :mod:`.reductions` what a reduction becomes, and
:mod:`.emitter` puts them together.
"""
