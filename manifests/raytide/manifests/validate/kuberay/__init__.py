"""What KubeRay's operator refuses beyond the schema of its CRDs: the API server takes such an object, in vain.

Source: KubeRay v1.7.0, `ray-operator/controllers/ray/utils/validation.go`, rule by rule in our own words and all at
once, where the operator reports the first one in an event of the object. One file for each subject.
"""
