"""Brings templates of CloudFormation into the lab: what it has is made, what it lacks is listed."""
