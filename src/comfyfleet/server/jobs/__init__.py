"""Jobs: enqueue, lease, heartbeat, complete, fail, requeue, cancel, rescue."""
