#!/bin/sh
# Installs the Debian or Ubuntu packages the build needs, only those whose program is missing. Its arguments are
# programs that are wished for too, whose packages have their names.
set -eu

missing=""
wished=""
need() { # need PROGRAM PACKAGE...
    program=$1
    shift
    command -v "$program" >/dev/null 2>&1 || missing="$missing $*"
}

font() { # font PACKAGE FILE
    [ -e "$2" ] || wished="$wished $1"
}

need g++ g++
need wkhtmltopdf wkhtmltopdf fonts-dejavu-core
need gst-launch-1.0 gstreamer1.0-tools
need pdfinfo poppler-utils
gst-inspect-1.0 --exists theoraenc 2>/dev/null || missing="$missing gstreamer1.0-plugins-base"
"${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"

# Class names in other scripts than Latin, in the PDF and the video; without them they stand as numbers.
font fonts-wqy-microhei /usr/share/fonts/truetype/wqy/wqy-microhei.ttc
font fonts-noto-core /usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf
font fonts-symbola /usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf

# Without it an exporter has no network, or that too, and its log says so.
command -v bwrap >/dev/null 2>&1 || wished="$wished bubblewrap"

for program; do
    command -v "$program" >/dev/null 2>&1 || wished="$wished $program"
done

[ -n "$missing$wished" ] || exit 0

give_up() { # give_up REASON: what is only wished for stops nobody
    if [ -n "$missing" ]; then
        echo "ERROR this machine lacks$missing (Debian's names): $1" >&2
        exit 1
    fi
    echo "WARNING this machine lacks what is only wished for,$wished (Debian's names): $1" >&2
    exit 0
}

command -v apt-get >/dev/null 2>&1 || give_up "no apt-get here; install them, then try again"
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    # For these alone nobody is asked for a password.
    as_root="sudo"
    [ -n "$missing" ] || as_root="sudo -n"
else
    give_up "not root and no sudo; let an administrator run: apt-get install$missing$wished"
fi
echo "installing$missing$wished"
export DEBIAN_FRONTEND=noninteractive
# What a killed installation left half done would stop apt-get until somebody does this by hand.
# shellcheck disable=SC2086 # the packages are separate words
$as_root dpkg --configure -a &&
    $as_root apt-get update -qq &&
    $as_root apt-get install -y -qq --no-install-recommends $missing $wished >/dev/null ||
    give_up "apt-get could not install them"
