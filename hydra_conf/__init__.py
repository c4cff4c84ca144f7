"""YAML configs of every command; on Hydra's search path as pkg://hydra_conf."""
