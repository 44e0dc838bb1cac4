"""Kubernetes manifests of a declared platform: rendering them, and checking them.

    declared files ─ platform ─▶ render ─▶ objects, each value with the key that it came from
                                              ├─ write ─▶ YAML, kustomization, overlays
                                              └─ validate ─▶ findings at the user's keys

Pure apart from reading and writing files; nothing here speaks to a cluster. What a change of them would send is planned
in `raytide.operator.reconcile`.
"""
