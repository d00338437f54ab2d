"""The parts that networks are put together from, as plain torch modules.

None of them holds numbers when it is made: their parameters are on torch's device "meta", and whoever makes a network
gives it its weights. A file that claims to hold a huge network thus costs nothing before it has been checked.

They ask a tensor for its `shape` and never for its length: a number of positions that is a plain number is taken for a
constant by whatever follows a pass to export it.
"""
