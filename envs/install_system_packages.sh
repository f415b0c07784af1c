#!/bin/sh
# Installs the Debian or Ubuntu packages the build needs, only those whose program is missing.
set -eu

missing=""
need() { # need PROGRAM PACKAGE...
    program=$1
    shift
    command -v "$program" >/dev/null 2>&1 || missing="$missing $*"
}

need g++ g++
need wkhtmltopdf wkhtmltopdf fonts-dejavu-core
need gst-launch-1.0 gstreamer1.0-tools
need pdfinfo poppler-utils
gst-inspect-1.0 --exists theoraenc 2>/dev/null || missing="$missing gstreamer1.0-plugins-base"
"${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"

[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null 2>&1 || {
    echo "ERROR this machine lacks$missing (Debian's names) and has no apt-get; install them, then try again" >&2
    exit 1
}
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
else
    echo "ERROR not root and no sudo; let an administrator run: apt-get install$missing" >&2
    exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the packages are separate words
{
    # What a killed installation left half done would stop apt-get until somebody does this by hand.
    $as_root dpkg --configure -a
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
