"""An engine that computes nothing and takes as long as a real one: rehearsals without accelerators."""
