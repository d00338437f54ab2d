"""The parts of the engine benchmark, one table a module; `experiments.bench_engine` is the command."""
