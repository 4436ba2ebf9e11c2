#!/bin/sh
# Puts the database's URL together from what Secrets Manager gives in pieces, unless DATABASE_URL is set.
set -eu
: "${DATABASE_URL:=postgresql://$DATABASE_USER:$DATABASE_PASSWORD@$DATABASE_HOST:5432/$DATABASE_NAME?ssl=require}"
export DATABASE_URL
unset DATABASE_PASSWORD
exec comfyfleet "$@"
