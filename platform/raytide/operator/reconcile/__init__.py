"""From rendered objects to the requests that make a Kubernetes cluster hold them: planned here, and sent elsewhere.

    desired (rendered) ─┐
                        ├─ steps ─▶ create, apply, delete ─ in an order that is safe to interrupt anywhere
    live (read)       ──┘

What Kubernetes, the autoscaler and other people own is left to them: see `ownership`, `sizes` and `lifetime`.
"""
