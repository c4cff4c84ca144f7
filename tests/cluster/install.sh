#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that the throw-away Slurm of these tests needs. Run as root, once.
# Nothing is enabled or started: the tests start their own daemons under a temporary directory.
set -euo pipefail

# Never add slurm-wlm-emulator: its slurmctld takes the place of the real one and does not work here.
packages=(slurmctld slurmd slurm-client munge slurmdbd mariadb-server-core)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# Where an init system runs, the packages would start their daemons; a policy of "no" prevents it.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
