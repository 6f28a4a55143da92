#!/usr/bin/env bash
# tidy.sh DIR: go mod tidy for the module in DIR. One that requires the library without a
# replace, because go install PACKAGE@VERSION refuses replaces, names a version that may not
# be published yet: it is tidied with this checkout in its place.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$1"
library=github.com/multinode/mn

if ! grep -q "^[[:space:]]*$library v" go.mod || grep -q "$library =>" go.mod; then
	exec go mod tidy
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp go.mod "$copy"
if [[ -e go.sum ]]; then cp go.sum "$copy"; fi
go mod edit -replace "$library=$root" "$copy/go.mod"
GOWORK=off go mod tidy -modfile="$copy/go.mod"
go mod edit -dropreplace "$library" "$copy/go.mod"
cp "$copy/go.mod" "$copy/go.sum" .
