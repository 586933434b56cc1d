#!/bin/sh
# check.sh: what needs no run: both compilers without a warning, luacheck, floors and header.
set -u
status=0
mkdir -p build
note() { echo "check: $1"; status=1; }
for cc in gcc clang; do
  make --no-print-directory -j"$(nproc)" CC=$cc B=build/check-$cc modules >build/check-$cc.log 2>&1 || {
    tail -40 build/check-$cc.log; note "$cc has errors or warnings"
  }
done
luacheck -q . || note "luacheck has warnings"
find lua experiments -name '*.lua' | while read -r f; do
  luac=$(command -v luac5.4) && { "$luac" -p "$f" || echo "check: $f does not compile for Lua 5.4"; }
  luajit -b "$f" /dev/null || echo "check: $f does not compile for LuaJIT"
done | grep . && status=1
make --no-print-directory modules >/dev/null && for spec in floors header; do
  ONLY=$spec LUAS=luajit REALS=float sh tests/run.sh | tail -3 || note "$spec"
done
[ $status -eq 0 ] && echo "check: all is well"
exit $status
