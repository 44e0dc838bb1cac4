"""What will be asked of the replicas when one that is ordered now is ready: quantiles, and their measured coverage."""
