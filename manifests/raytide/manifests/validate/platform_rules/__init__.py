"""What Kubernetes and KubeRay would take, and what would not work all the same: rules of raytide's own."""
