#!/usr/bin/env bash
# Makes .venv with what a run needs, from requirements.lock; with "extras", or where they are there already, with what
# tests and clusters need too, from requirements-dev.lock. By uv where it is installed, by pip elsewhere. Needs Python
# 3.11 to 3.13, not root. It is made aside and put in place at the end: until then, and where that fails, what runs
# keeps the old one.
set -euo pipefail
quiet=$([ -t 2 ] || echo --quiet) # a person sees how far it is
cd "$(dirname "$0")"
new=.venv.new
lock=requirements.lock stamps=(ready) size="about 2.7 GB"
if [ "${1-}" = extras ] || [ -e .venv/extras ]; then
    lock=requirements-dev.lock stamps=(ready extras) size="about 3.4 GB"
fi
stamp=.venv/${stamps[-1]}

exec 9<. # a folder stays when a pull replaces its files
if ! flock --nonblock 9; then
    echo "setup: another one makes .venv; waiting for it" >&2
    flock 9
    newest=$(ls -t "$stamp" "$lock" pyproject.toml setup.sh 2>/dev/null | head -1 || true)
    [ "$newest" != "$stamp" ] || exit 0
fi

fits='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3 ""; do
    [ -n "$python" ] || { echo "setup: no Python from 3.11 to 3.13 found; install one (Debian: apt-get install python3)" >&2; exit 2; }
    "$python" -c "$fits" 2>/dev/null && break
done

trap 'rm -rf "$new"' EXIT
echo "setup: making .venv with $("$python" --version); $size, once, some minutes" >&2
rm -rf "$new"
if command -v uv >/dev/null; then
    uv venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" "$new"
    install=(uv pip install --compile-bytecode --python "$new/bin/python")
elif "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv "$new"
    install=("$new/bin/python" -m pip install --disable-pip-version-check)
else # Debian keeps pip for new environments in a package of its own: fetched here without root
    command -v apt-get >/dev/null || { echo "setup: $python has no ensurepip; install its venv package" >&2; exit 2; }
    "$python" -m venv --without-pip "$new"
    wheels=$PWD/$new/wheels
    mkdir -p "$wheels/lists/partial" "$wheels/cache/archives/partial"
    (cd "$wheels" &&
        apt=(apt-get -qq -o "Dir::State::Lists=$wheels/lists" -o "Dir::Cache=$wheels/cache") &&
        "${apt[@]}" update && "${apt[@]}" download python3-pip-whl && dpkg-deb -x python3-pip-whl*.deb .)
    pip=$(echo "$wheels"/usr/share/python-wheels/pip-*.whl)
    "$new/bin/python" "$pip/pip" install --quiet --no-index "$pip"
    rm -rf "$wheels"
    install=("$new/bin/python" -m pip install --disable-pip-version-check)
fi
(cd "$new" && touch "${stamps[@]}") # of now: whatever is changed from now on is newer
"${install[@]}" $quiet --require-hashes --no-deps -r "$lock"
echo "$PWD" >"$(echo "$new"/lib/python*/site-packages)/fashion_mnist_comparison.pth" # the project, as it is here

"$new/bin/python" - "$new" <<'PYTHON' # its scripts name the folder that it was made in
import sys
from pathlib import Path
for path in [Path(sys.argv[1], "pyvenv.cfg"), *Path(sys.argv[1], "bin").iterdir()]:
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    if sys.argv[1].encode() in content:
        path.write_bytes(content.replace(sys.argv[1].encode(), b".venv"))
PYTHON
rm -rf .venv.old
[ ! -e .venv ] || mv .venv .venv.old
mv "$new" .venv
rm -rf .venv.old
