"""What one replica of a continuous-batching engine can do: the time of an iteration, and what follows from it."""
