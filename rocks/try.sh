#!/bin/sh
# try.sh: lints the rockspec, installs it into fresh trees for Lua 5.4 and LuaJIT, from the checkout and from a
# packed source rock through a folder server, and uses the installed module and command elsewhere.
set -eu
top=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
spec=$top/rocks/mapgrad-scm-1.rockspec
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4 MAPGRAD_REAL 2>/dev/null || true

rocks() { # rocks LUA ARGUMENT...: LuaRocks for lua54 or luajit
  case $1 in lua54) version=5.4 ;; luajit) version=5.1 ;; esac
  config=$top/rocks/config-$1.lua
  shift
  LUAROCKS_CONFIG=$config luarocks --lua-version "$version" "$@"
}

use() { # use LUA TREE: runs a script and the command with what the tree holds
  name=$1 tree=$2
  case $name in lua54) lua=lua5.4 ;; luajit) lua=luajit ;; esac
  (
    cd "$work"
    eval "$(rocks "$name" --tree "$tree" path)"
    "$lua" "$top/rocks/smoke.lua"
    mapgrad --version
    mapgrad help --schema compare >/dev/null
    mapgrad doctor >doctor.txt || { cat doctor.txt; exit 1; }
    printf 'x = tensor { 1, 2 }\nx * 2\n' | mapgrad repl
  )
}

luarocks lint "$spec"
echo "rock: lint is silent"

cd "$top"
for name in lua54 luajit; do
  rocks $name make --tree "$work/tree-$name" "$spec" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  echo "rock: installed from the checkout for $name"
  use $name "$work/tree-$name"
done

# A source rock of what is committed; the rockspec inside names this checkout instead of the public address.
mkdir "$work/server"
cd "$work/server"
sed "s|git+https://example.org/mapgrad.git|git+file://$top|; s|branch = \"main\"|branch = \"$(git -C "$top" rev-parse --abbrev-ref HEAD)\"|" \
  "$spec" >mapgrad-scm-1.rockspec
luarocks pack mapgrad-scm-1.rockspec >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
luarocks-admin make-manifest . >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for name in lua54 luajit; do
  rocks $name install --tree "$work/source-$name" --only-server="$work/server" mapgrad scm >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
  echo "rock: installed from the source rock for $name"
  use $name "$work/source-$name"
done
echo "rock: all is well"
