"""Verbs on machines, carried out by the control plane for whoever clicks: planned, agreed to, followed, canceled."""
