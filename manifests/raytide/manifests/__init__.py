"""KubeRay objects for the same YAML; the renderer comes with the first of them."""
