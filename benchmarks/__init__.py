"""The figures that Highroad promises, measured on this machine against what they are compared with in the same run.

`make bench` prints them all, `python -m benchmarks push cli` some of them. A figure is never a test: a busy machine
misses a target without anything being broken, which is why the load of the machine stands beside the figures.
"""
