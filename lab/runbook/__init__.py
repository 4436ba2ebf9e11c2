"""The operator's runbook, walked through in the lab from nothing: `make lab-runbook`."""
