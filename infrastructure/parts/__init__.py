"""What stacks are made of. Not named `constructs`, for that is a package that the CDK imports."""
