#!/bin/sh
# Runs a command of this project in NVIDIA's DeepStream container: installs what the image lacks as root, then runs the
# command as the owner of the project's folder, so that no file in it becomes root's. CACHE is the home of that command.
set -eu

if [ "$(id -u)" -ne 0 ]; then
    echo "ERROR packages are installed as root: start the container without --user; the command runs as the owner of $PWD" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
PYTHON=${PYTHON:-python3}
CODECS=${CODECS:-/opt/nvidia/deepstream/deepstream/user_additional_install.sh}
CODECS_DONE=${CODECS_DONE:-/var/lib/deepstream_codecs_installed}
CACHE=${CACHE:-/cache}

missing=""
command -v make >/dev/null 2>&1 || missing="make"
command -v "$PYTHON" >/dev/null 2>&1 || missing="$missing $PYTHON $PYTHON-venv"
if [ -n "$missing" ]; then
    echo "installing $missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # the packages are separate words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
# NVIDIA's images come without some parsers and codecs, and with this script that installs them.
if [ -f "$CODECS" ] && [ ! -e "$CODECS_DONE" ]; then
    echo "installing codecs with $CODECS"
    bash "$CODECS" >/dev/null
    touch "$CODECS_DONE"
fi
PYTHON=$PYTHON sh envs/install_system_packages.sh

owner=$(stat -c %u .)
group=$(stat -c %g .)
mkdir -p "$CACHE"
chown "$owner:$group" "$CACHE"
exec setpriv --reuid "$owner" --regid "$group" --clear-groups env HOME="$CACHE" PYTHON="$PYTHON" "$@"
