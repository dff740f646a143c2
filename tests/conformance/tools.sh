#!/bin/sh
# Stands in for the tools of the images that people build from: it leaves files that tell what it
# was asked for and what it was asked with, the same each time.
set -eu
tool=$(basename "$0")
asked="$tool $*"
fetched() { mkdir -p "$1"; echo "$asked" > "$1/$2"; }
words() { for word; do case $word in -*) ;; *) echo "$word" ;; esac; done; }
made() {
    mkdir -p "$(dirname "$1")"
    { echo "# $asked"; cat "$2"; } > "$1"
    chmod 755 "$1"
}
behind() { # the word behind an option
    wanted=$1; shift
    while [ $# -gt 1 ]; do [ "$1" = "$wanted" ] && { echo "$2"; return; }; shift; done
}
case "$tool ${1-}" in
"apt-get update" | "apk update") fetched /var/lib/$tool/lists all ;;
"apt-get install" | "apk add")
    shift
    for package in $(words "$@"); do fetched /usr/share/packages "$package"; done ;;
"apt-get "* | "apk "*) ;;
"npm ci" | "npm install" | "pnpm install" | "yarn install" | "yarn ")
    for name in $(sed -n '/"dependencies"/,/}/s/^ *"\([a-z-]*\)": "[0-9^].*/\1/p' package.json); do
        fetched "node_modules/$name" package.json
    done ;;
"npm run" | "yarn build" | "pnpm run" | "node build.js") made dist/bundle.js "src/$(ls src | head -n 1)" ;;
"npm prune" | "npm test" | "npm cache") ;;
"pip install" | "poetry install")
    list=$(behind -r "$@"); list=${list:-pyproject.toml}
    for name in $(sed -n 's/^\([a-z]*\)\(==\| = \).*/\1/p' "$list"); do
        fetched "${VIRTUAL_ENV:-/usr/local}/lib/python3.12/site-packages/$name" METADATA
    done ;;
"python -m") [ "$2" != venv ] || { mkdir -p "$3/bin" "$3/lib"; echo "home = /usr/local/bin" > "$3/pyvenv.cfg"; ln -s /usr/local/bin/python "$3/bin/python"; } ;;
"go mod")
    for name in $(sed -n 's/^\t\?\(require \)\?\([a-z.]*\/[a-z/]*\) v.*/\2/p' go.mod); do
        fetched "/go/pkg/mod/$name" go.mod
    done ;;
"go build") made "$(behind -o "$@")" "$(find . -name '*.go' | sort | head -n 1)" ;;
"go test" | "go vet") ;;
"cargo build" | "cargo install")
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' Cargo.toml)
    made "target/release/$name" src/main.rs ;;
"cargo "*) fetched "${CARGO_HOME:-/usr/local/cargo}/registry" "${1-}" ;;
"mvn "*)
    case $* in
    *go-offline*) fetched /root/.m2/repository all ;;
    *) made target/app.jar "$(find src -name '*.java' | sort | head -n 1)" ;;
    esac ;;
"gradle "*) made build/libs/app.jar "$(find src -name '*.java' | sort | head -n 1)" ;;
"gcc "*) made "$(behind -o "$@")" "$(words "$@" | grep '\.c$' | head -n 1)" ;;
"make "*)
    case $* in
    *install*) made "$(echo "$*" | sed -n 's/.*DESTDIR=\([^ ]*\).*/\1/p')/usr/bin/program" program ;;
    *) made program main.c ;;
    esac ;;
"bundle install") fetched vendor/bundle all ;;
"composer "*) fetched vendor autoload.php ;;
"curl "*) echo "$asked" > "$(behind -o "$@")" ;;
"useradd "*) for name; do :; done; echo "$name:x:999:999::/home/$name:/bin/sh" >> /etc/passwd; echo "$name:x:999:" >> /etc/group ;;
*) echo "$asked" ;;
esac
