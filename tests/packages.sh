#!/bin/sh
# packages.sh NAME...: installs the Debian packages that are missing; elsewhere names them and stops.
set -u
missing=
if command -v dpkg-query >/dev/null 2>&1; then
  for p in "$@"; do
    state=$(dpkg-query -W -f='${Status}' "$p" 2>/dev/null)
    case "$state" in *"ok installed") ;; *) missing="$missing $p" ;; esac
  done
  [ -z "$missing" ] && exit 0
else
  echo "mapgrad: this is no Debian system. Install what these Debian packages hold, then run make:" >&2
  echo "  $*" >&2
  exit 1
fi
if [ "$(id -u)" = 0 ]; then sudo=; elif command -v sudo >/dev/null 2>&1; then sudo=sudo; else
  echo "mapgrad: missing packages, and neither root nor sudo to install them:$missing" >&2
  exit 1
fi
echo "mapgrad: installing$missing" >&2
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=500"
# shellcheck disable=SC2086
{ $apt update && $apt install -y --no-install-recommends $missing; } >&2 </dev/null || {
  echo "mapgrad: apt-get could not install:$missing" >&2
  exit 1
}
