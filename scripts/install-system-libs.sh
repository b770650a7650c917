#!/usr/bin/env bash
# Install the libraries that Qt, OpenGL and a virtual display need on Debian and Ubuntu, where they are missing and
# where this is allowed; else name them. Other systems bring what is needed, or have other names for it.
set -euo pipefail

packages=(
  libegl1 libgl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
  libxcb-keysyms1 libxcb-shape0 xvfb xauth
)

if ! command -v dpkg-query >/dev/null; then
  command -v xvfb-run >/dev/null || {
    echo "xvfb-run is missing: install Xvfb and the X11 libraries of Qt 6 with your system's package manager." >&2
    exit 1
  }
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  # Newer releases call some of these NAMEt64; dpkg-query fails when either name is unknown.
  status="$(dpkg-query -W -f '${Status}\n' "$package" "${package}t64" 2>/dev/null || true)"
  grep -q '^install ok installed' <<<"$status" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "These system packages are missing; install them and run this again:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing ${missing[*]}"
{
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
} </dev/null >/dev/null || {
  echo "These system packages are missing and could not be installed: ${missing[*]}" >&2
  exit 1
}
