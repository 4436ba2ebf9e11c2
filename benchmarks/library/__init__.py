"""One large file through everything: upload, cut and resumed, bundle, apply, verify."""
