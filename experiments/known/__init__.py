"""The experiment on known concepts: positions, fits, judgements, suites, sample efficiency, amplification, page."""
