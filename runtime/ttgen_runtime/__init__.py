"""The run time: plans and kernels on a device, values against the golden. Never imports TVM.

devices.py   the device table: what each needs, and how to get it
program.py   a plan as a ttnn program
session.py   the child process that owns a device; the only module that imports ttnn
launch.py    the parent's side of it: starting sessions, compiling and running kernels
compare.py   outputs against references
result.py    what a run found: JSON and JUnit XML
"""
