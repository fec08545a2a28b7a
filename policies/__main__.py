"""Starts the pack. The engine runs this folder; the rules are in `rules/` and start nothing when they are imported."""

from pulumi_policy import PolicyPack
from rules.pack import policies

PolicyPack("ml-dr", policies())
