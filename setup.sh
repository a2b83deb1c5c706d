#!/usr/bin/env bash
# Makes .venv from requirements.lock, with uv where it is installed and pip elsewhere. Needs Python 3.11 to 3.13, not root.
set -euo pipefail
quiet=$([ -t 2 ] || echo --quiet) # a person sees how far it is
cd "$(dirname "$0")"

fits='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3 ""; do
    [ -n "$python" ] || { echo "setup: no Python from 3.11 to 3.13 found; install one (Debian: apt-get install python3)" >&2; exit 2; }
    "$python" -c "$fits" 2>/dev/null && break
done

echo "setup: making .venv with $("$python" --version); about 2 GB, once, some minutes" >&2
rm -rf .venv
if command -v uv >/dev/null; then
    uv venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" .venv
    uv pip install $quiet --compile-bytecode --require-hashes --no-deps -r requirements.lock
    uv pip install --quiet --no-deps --no-build-isolation -e .
    exit
fi

if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv .venv
else # Debian keeps pip for new environments in a package of its own: fetched here without root
    command -v apt-get >/dev/null || { echo "setup: $python has no ensurepip; install its venv package" >&2; exit 2; }
    "$python" -m venv --without-pip .venv
    wheels=$PWD/.venv/wheels
    mkdir -p "$wheels/lists/partial" "$wheels/cache/archives/partial"
    (cd "$wheels" &&
        apt=(apt-get -qq -o "Dir::State::Lists=$wheels/lists" -o "Dir::Cache=$wheels/cache") &&
        "${apt[@]}" update && "${apt[@]}" download python3-pip-whl && dpkg-deb -x python3-pip-whl*.deb .)
    pip=$(echo "$wheels"/usr/share/python-wheels/pip-*.whl)
    .venv/bin/python "$pip/pip" install --quiet --no-index "$pip"
    rm -rf "$wheels"
fi
.venv/bin/python -m pip install $quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
