"""From replicas that are wanted to nodes that each pool keeps: pure, as the decisions that they follow from."""
