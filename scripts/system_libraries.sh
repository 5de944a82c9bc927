#!/bin/sh
# Says which system libraries the screen (and, with "test", the tests) still needs, and the command for them.
# Exit code 1 when something is missing. Only Linux needs this: elsewhere Qt brings all it uses.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
missing=""

library() { # file name of a library, Debian package that holds it
    ldconfig -p 2>/dev/null | grep -q "$1" || missing="$missing $2"
}

program() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

PATH="$PATH:/sbin:/usr/sbin"
library libGL.so.1 libgl1
library libGLX_mesa.so.0 libglx-mesa0
library libEGL.so.1 libegl1
library libOpenGL.so.0 libopengl0
library libxkbcommon-x11.so.0 libxkbcommon-x11-0
library libxcb-cursor.so.0 libxcb-cursor0
library libxcb-icccm.so.4 libxcb-icccm4
library libxcb-image.so.0 libxcb-image0
library libxcb-keysyms.so.1 libxcb-keysyms1
library libxcb-randr.so.0 libxcb-randr0
library libxcb-render-util.so.0 libxcb-render-util0
library libxcb-shape.so.0 libxcb-shape0
library libxcb-xkb.so.1 libxcb-xkb1
library libdbus-1.so.3 libdbus-1-3
library libfontconfig.so.1 libfontconfig1
library libglib-2.0.so.0 libglib2.0-0
if [ "${1:-}" = test ]; then
    program Xvfb xvfb
fi

[ -n "$missing" ] || exit 0
echo "System libraries that are missing for napari's window:$missing" >&2
if command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo "
    echo "Install them with:" >&2
    echo "    ${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends$missing" >&2
else
    echo "These are Debian's names; your distribution has packages of similar names." >&2
fi
echo "All that needs no window works without them." >&2
exit 1
