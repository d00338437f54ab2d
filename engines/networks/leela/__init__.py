"""Leela Chess Zero's network files: what they hold, and how they become networks and networks become files.

A file is a gzip-compressed protobuf message (`schema`). `container` unpacks it within limits, `description` finds out
which shape of network it claims to hold, `layout` says which message holds the weights of which layer, `reading` checks
every size and sets the weights, and `writing` goes the other way.
"""
