"""Cluster profiles, one YAML per site; on Hydra's search path as pkg://cluster_profiles."""
