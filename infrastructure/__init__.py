"""The stacks of a stage on AWS, as a CDK app: see `docs/guides/deploy-on-aws.md`."""
