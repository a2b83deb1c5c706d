"""Faults done on purpose: runs killed, artifacts damaged at random; several runs at once; scheduled runs disturbed.

python -m tests.faults kills --count 200
python -m tests.faults damages --count 1000
python -m tests.faults together
python -m tests.faults scheduled                      # all of them, on a server and a worker of their own
python -m tests.faults scheduled "worker killed"

Each prints what it counted, and ends with status 1 if anything was lost, served damaged, left behind or made twice.
"""
