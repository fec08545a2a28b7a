"""Entry point of the policy pack. The engine runs this folder; importing the rules in `rules/` starts no pack."""

from pulumi_policy import PolicyPack
from rules.pack import policies  # the engine puts this folder on the path

PolicyPack("ml-dr", policies())
