#!/bin/sh
# image-root.sh EXECUTABLE DIRECTORY: makes the directory the root of an image: the executable, what it links to, its native
# code, and a data directory for user 65532, as whom the image runs it.
set -eu
# Native code is not unpacked below a directory that a group can write to.
umask 022
executable=$1
root=$2

install -D -m 755 "$executable" "$root/usr/bin/seglog"
install -D -m 644 -t "$root/usr/share/doc/seglog" LICENSE "$(dirname "$executable")/THIRD-PARTY-LICENSES"
# Where they lie here, and so where the loader looks for them.
ldd "$executable" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
SEGLOG_CACHE_DIR="$root/usr/lib/seglog" "$executable" serve --print-config >/dev/null
chmod -R a+rX "$root/usr"
install -d -o 65532 -g 65532 -m 750 "$root/data"
