#!/bin/sh
# The steps of the image, as commands that run anywhere: the Dockerfile calls them, the tests do too.
#
#   docker/install.sh environment TARGET   a virtual environment with exactly what requirements.lock names
#   docker/install.sh package TARGET       the wheel of this source, pipelines included, built and installed into it
#   docker/install.sh app TARGET           TARGET/app for PYTHONPATH: the pipelines as `workers`, and room for yours
#   docker/install.sh all TARGET           all three
#
# PYTHON is the interpreter that the environment is for; python3 when unset.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$(dirname -- "$here")
python=${PYTHON:-python3}
step=${1:?which step: environment, package, app or all}
target=${2:?where to}

# Without pip inside: what runs jobs installs nothing.
install_into() {
    into=$1
    shift
    "$python" -m pip --python "$into/bin/python" --disable-pip-version-check --no-input install --quiet "$@"
}

environment() {
    "$python" -m venv --without-pip "$target"
    install_into "$target" --no-deps --require-hashes --only-binary :all: -r "$here/requirements.lock"
}

package() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$python" -m venv --without-pip "$work/build"
    install_into "$work/build" --no-deps --require-hashes -r "$here/build.lock"
    # A copy: building leaves nothing in the source, which may be read-only.
    mkdir "$work/source"
    (cd "$source" && tar -cf - --exclude __pycache__ pyproject.toml README.md LICENSE src supabase workers) |
        tar -xf - -C "$work/source"
    (cd "$work/source" && "$work/build/bin/python" -m hatchling build --target wheel --directory "$work/dist")
    install_into "$target" --no-deps --no-index --force-reinstall "$work"/dist/*.whl
}

app() {
    mkdir -p "$target/app"
    pipelines=$("$target/bin/python" -I -c 'import headway, pathlib; print(pathlib.Path(headway.__file__).parent / "_pipelines" / "workers")')
    ln -sfn "$pipelines" "$target/app/workers"
}

case $step in
environment | package | app) "$step" ;;
all)
    environment
    package
    app
    ;;
*)
    echo "unknown step: $step (environment, package, app or all)" >&2
    exit 2
    ;;
esac
