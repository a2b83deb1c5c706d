"""Faults done on purpose: runs killed at random, artifacts damaged at random, several runs at once.

python -m tests.faults kills --count 200
python -m tests.faults damages --count 1000
python -m tests.faults together

Each prints what it counted, and ends with status 1 if anything was lost, served damaged, left behind or made twice.
"""
