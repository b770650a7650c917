"""What a run costs: a cost model of network and machine, the size of the run, memory, budgets, the forecast."""
