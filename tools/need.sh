#!/usr/bin/env bash
# need.sh COMMAND PACKAGES WHAT: makes sure that COMMAND is there. If it is missing,
# installs the Debian PACKAGES when run as root, else says what to install.
set -euo pipefail

command=$1 packages=$2 what=$3

if command -v "$command" >/dev/null; then
	exit 0
fi
if [[ -n $packages && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing $packages ($what)"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	apt-get install -y -qq --no-install-recommends $packages >/dev/null </dev/null
	command -v "$command" >/dev/null
	exit
fi
echo "$command is missing: $what." >&2
if [[ -n $packages ]]; then
	echo "On Debian or Ubuntu: sudo apt-get install $packages" >&2
fi
exit 1
