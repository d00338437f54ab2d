"""What the engine is measured against: searches in plain Python, rules libraries, runtimes of networks.

Those that are not part of this repository are optional: each is used where it is installed, and named as absent where
it is not.
"""
