"""A batch on Dask: a movie is a task, and each runs in a process of its own beside a worker."""
